"""Durations of the command line: read with their unit, written as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.cli.durations import format_age, format_slo, format_us, parse_duration_us
from clipper.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("text", "duration_us"),
    [("20ms", 20_000), ("1.5 s", 1_500_000), ("250us", 250), ("250µs", 250), ("2min", 120_000_000), (" 0.5ms ", 500)],
)
def test_duration_with_a_unit_is_read(text: str, duration_us: int) -> None:
    assert parse_duration_us(text, "--slo") == duration_us


@given(st.integers(0, 10_000_000), st.sampled_from([("us", 0), ("ms", 3), ("s", 6)]))
def test_every_whole_number_of_microseconds_is_read_in_every_unit(duration_us: int, unit: tuple[str, int]) -> None:
    name, digits = unit
    whole, fraction = divmod(duration_us, 10**digits)
    text = f"{whole}.{fraction:0{digits}d}{name}" if digits else f"{whole}{name}"
    assert parse_duration_us(text, "--slo") == duration_us


def test_duration_without_end_is_read_and_left_to_whoever_bounds_it() -> None:
    assert parse_duration_us(f"{10**400}s", "--slo") == 10**406


@pytest.mark.parametrize("text", ["", "20", "ms", "-1ms", "1e3ms", "20 parsecs", "0.5us", "1,5s", "NaNs"])
def test_duration_without_sense_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="--slo="):
        parse_duration_us(text, "--slo")


def test_number_without_a_unit_is_refused_with_what_may_be_meant() -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        parse_duration_us("20", "--slo")
    assert refusal.value.hint == "did you mean 20ms or 20us?"


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [(None, "-"), (math.nan, "-"), (math.inf, "over 10 s"), (0, "0 us"), (999, "999 us"), (1000, "1.00 ms"),
     (12_345, "12.3 ms"), (123_456, "123 ms"), (2_500_000, "2.50 s")],
)  # fmt: skip
def test_measured_duration_is_written_with_three_digits(duration_us: float | None, text: str) -> None:
    assert format_us(duration_us) == text


@given(st.integers(min_value=1, max_value=3_600_000_000))
def test_exact_duration_is_read_back_as_it_was_written(duration_us: int) -> None:
    assert parse_duration_us(format_slo(duration_us), "--slo") == duration_us


@pytest.mark.parametrize(
    ("age_s", "text"), [(5, "5 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_age_is_rough(age_s: float, text: str) -> None:
    assert format_age(age_s) == text
