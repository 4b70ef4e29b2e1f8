"""An input on the command line: JSON, text, a file or stdin, as the application's type says."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clipper.cli.inputs import read_input
from clipper.errors import InvalidArgumentError, NotFoundError


@pytest.mark.parametrize(
    ("text", "input_type", "expected"),
    [
        ("[1, 2.5]", "doubles", [1, 2.5]),
        ("[[1], [2]]", "tensor", [[1], [2]]),
        ("plain words", "strings", "plain words"),
        ('"in quotes"', "str", "in quotes"),
        ("[1]", "s", "[1]"),  # text that happens to be JSON is text
        ("raw", "bytes", "cmF3"),
        ('"cmF3"', "b", "cmF3"),
    ],
)
def test_argument_is_read_as_its_type_says(text: str, input_type: str, expected: Any) -> None:
    assert read_input(text, input_type, "digits") == expected


def test_files_are_read_by_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1, 2]")
    (tmp_path / "x.csv").write_text("3,4\n")
    np.save(tmp_path / "x.npy", np.array([5.0, 6.0]))
    files = [read_input(f"@{tmp_path}/x.{suffix}", "doubles", "digits") for suffix in ("json", "csv", "npy")]
    assert files == [[1, 2], [3.0, 4.0], [5.0, 6.0]]


def test_stdin_is_read_for_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"[7]")))
    assert read_input("-", "integers", "digits") == [7]


def test_batch_is_an_array_of_inputs_whatever_its_type(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("3,4\n5,6\n")
    assert read_input('["a", "b"]', "strings", "texts", batch=True) == ["a", "b"]
    assert read_input(f"@{tmp_path}/x.csv", "doubles", "digits", batch=True) == [[3.0, 4.0], [5.0, 6.0]]


def test_what_is_no_input_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="--sample is no JSON") as caught:
        read_input("{", "doubles", "digits", source="--sample")
    assert "digits takes an array of doubles" in caught.value.hint
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_input(f"@{tmp_path}/none.json", "doubles", "digits")
    (tmp_path / "x.csv").write_text("3,4\n5,6\n")
    with pytest.raises(InvalidArgumentError, match="holds 2 rows; expected one"):
        read_input(f"@{tmp_path}/x.csv", "doubles", "digits")
    (tmp_path / "y.csv").write_text("three\n")
    with pytest.raises(InvalidArgumentError, match="no number"):
        read_input(f"@{tmp_path}/y.csv", "doubles", "digits")
    (tmp_path / "x.npy").write_bytes(b"none")
    with pytest.raises(InvalidArgumentError, match="no array of numbers"):
        read_input(f"@{tmp_path}/x.npy", "doubles", "digits")
