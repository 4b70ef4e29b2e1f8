"""The run directory is closed to others, unless that would lock somebody out of something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipper.config import CONFIG_FILE_NAME
from clipper.errors import StartError
from clipper.security.private_directory import make_private


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_directory_is_made_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "a" / "b") == 0o700


@pytest.mark.parametrize("names", [(), (CONFIG_FILE_NAME, "state.sqlite")], ids=["empty", "Clipper's own"])
def test_open_directory_is_closed_if_it_is_empty_or_clippers(tmp_path: Path, names: tuple[str, ...]) -> None:
    tmp_path.chmod(0o755)
    for name in names:
        (tmp_path / name).touch()
    make_private(tmp_path)
    assert mode_of(tmp_path) == 0o700


def test_open_directory_with_other_files_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    (tmp_path / "diary.txt").touch()
    with pytest.raises(StartError, match="not Clipper's") as caught:
        make_private(tmp_path)
    assert caught.value.hint.endswith(f"chmod 700 {tmp_path}")
    assert mode_of(tmp_path) == 0o750


def test_closed_directory_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").touch()
    tmp_path.chmod(0o700)
    make_private(tmp_path)


def test_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_321)
    with pytest.raises(StartError, match="and Clipper runs as 4321"):
        make_private(tmp_path)


def test_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot be used"):
        make_private(tmp_path / "file")
