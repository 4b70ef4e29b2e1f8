"""One concept a file: nothing that a person maintains is longer than 400 lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repository import files, text_of

MOST_LINES = 400


@pytest.mark.parametrize("path", files(".py", ".pyx", ".pxd", ".pyi", ".hpp", ".cpp", ".cmake", ".h"), ids=str)
def test_source_file_is_short_enough_to_hold_one_concept(path: Path) -> None:
    lines = text_of(path).count("\n")
    assert lines <= MOST_LINES, f"{path} has {lines} lines: split it by concept"
