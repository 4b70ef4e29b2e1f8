"""A start whose arguments are not valid leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipper import Clipper, InvalidArgumentError


def test_start_with_containers_that_are_none_makes_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(InvalidArgumentError, match="expected a program and its arguments"):
        Clipper.start(0, 0, containers={"mine": "program"})
    assert list(tmp_path.iterdir()) == []
