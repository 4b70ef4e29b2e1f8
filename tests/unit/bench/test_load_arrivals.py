"""What is refused of arrivals, traces and keys, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipper.bench.arrivals import MAX_ARRIVALS, MAX_CV, Constant, Gamma, Poisson, Steps, parse_arrivals
from clipper.bench.keys import MAX_KEYS, Zipf, parse_keys
from clipper.bench.trace import read_trace
from clipper.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no process ''"),
        ("uniform", "expected constant, poisson"),
        ("poisson:cv=1", "takes no parameters"),
        ("gamma", "expected gamma:cv=NUMBER"),
        ("gamma:cv=x", "'x' is not a number"),
        ("gamma:cv=0", "above 0"),
        ("gamma:cv=nan", "above 0"),
        ("onoff:on_s=1", "expected onoff:on_s=NUMBER,off_s=NUMBER"),
        ("onoff:on_s=1,off_s=inf", "off_s is inf"),
        ("steps:", "the step ''"),
        ("steps:1@2,3", "the step '3'"),
        ("steps:-1@2", "multiple is -1"),
        ("steps:1@0", "lasts 0"),
        ("steps:0@1", "all steps have the rate 0"),
        ("trace:", "the file is missing"),
        ("trace:/nowhere/at/all", "cannot read the trace"),
    ],
)
def test_arrivals_that_are_none_are_refused_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        parse_arrivals(text)


@pytest.mark.parametrize(
    ("rate", "duration", "seed"),
    [(0, 1, 0), (-1, 1, 0), (float("nan"), 1, 0), (1, 0, 0), (1, float("inf"), 0), (1, 1, -1)],
)
def test_rate_duration_and_seed_out_of_range_are_refused(rate: float, duration: float, seed: int) -> None:
    with pytest.raises(InvalidArgumentError, match="expected"):
        Poisson().offsets_ns(rate, duration, seed)


def test_more_arrivals_than_the_limit_are_refused_before_they_are_made() -> None:
    with pytest.raises(InvalidArgumentError, match="more than 100000000 arrivals"):
        Constant().offsets_ns(MAX_ARRIVALS + 1, 1, 0)
    with pytest.raises(InvalidArgumentError, match="more than"):
        Steps(((3.0, 1.0),)).offsets_ns(MAX_ARRIVALS / 2, 1, 0)


def test_cv_at_its_limit_is_taken_and_beyond_it_refused() -> None:
    assert len(Gamma(MAX_CV).offsets_ns(1_000, 1, 0)) >= 0
    with pytest.raises(InvalidArgumentError, match="at most 100"):
        Gamma(MAX_CV * 1.01)


def test_poisson_arrivals_of_a_seed_never_change() -> None:
    """A record that names its seed can be repeated, on any machine."""
    assert list(Poisson().offsets_ns(10, 0.5, 2017) // 1000) == [284605, 361127]


def test_trace_of_text_takes_the_first_column_and_leaves_names_and_comments_out(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("time,size\n# a comment\n\n2.5,10\n1.0 20\n4\n")
    assert list(read_trace(str(file))) == [1.0, 2.5, 4.0]


def test_trace_of_integers_is_in_nanoseconds(tmp_path: Path) -> None:
    file = tmp_path / "trace.npy"
    np.save(file, np.array([5_000_000_000, 6_500_000_000]))
    assert list(read_trace(str(file))) == [5.0, 6.5]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds 0 arrivals"),
        ("1\n", "holds 1 arrivals"),
        ("1\n1\n", "the same time"),
        ("1\nx\n", ":2: 'x'"),
        ("nan\n1\n", "finite"),
    ],
)
def test_damaged_trace_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "trace"
    file.write_text(content)
    with pytest.raises(InvalidArgumentError, match=said):
        parse_arrivals(f"trace:{file}")


def test_array_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "trace.npy"
    np.save(file, np.zeros((2, 2)))
    with pytest.raises(InvalidArgumentError, match=r"\(2, 2\)"):
        read_trace(str(file))
    file.write_bytes(b"not numpy")
    with pytest.raises(InvalidArgumentError, match="not an array of numpy"):
        read_trace(str(file))


@pytest.mark.parametrize("text", ["", "unique:n=1", "zipf", "zipf:n=x", "zipf:n=0", "repeated:times=0", "zipf:n=1,q=2"])
def test_keys_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="expected"):
        parse_keys(text)


def test_zipf_beyond_its_limit_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=str(MAX_KEYS)):
        Zipf(MAX_KEYS + 1)
