"""Reading on in a log: whole lines, also across a rotation."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from clipper.cli.log_follower import LogFollower
from clipper.cli.logs import source_name
from clipper.log_file import RotatingLog


def test_new_lines_are_given_when_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"old\n")
    with contextlib.closing(LogFollower(path)) as follower, path.open("ab") as file:
        follower.skip_to_end(0)
        assert follower.read_lines() == []
        file.write(b"one\ntw")
        file.flush()
        assert follower.read_lines() == ["one"]
        file.write(b"o\n")
        file.flush()
        assert follower.read_lines() == ["two"]


def test_follower_from_the_start_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"old\n")
    with contextlib.closing(LogFollower(path)) as follower:
        assert follower.read_lines() == ["old"]


@pytest.mark.parametrize("line_count", [0, 1, 2, 3, 9])
def test_line_written_while_the_end_is_read_is_given_once(tmp_path: Path, line_count: int) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo\nthr")
    with contextlib.closing(LogFollower(path)) as follower, path.open("ab") as file:
        file.write(b"ee\nfo")  # behind the opening, before the look at the end
        file.flush()
        assert follower.skip_to_end(line_count) == ["one", "two", "three"][max(0, 3 - line_count) :]
        file.write(b"ur\n")
        file.flush()
        assert follower.read_lines() == ["four"]


def test_end_of_a_log_that_was_just_rotated_reaches_back(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    (tmp_path / "a.log.1").write_bytes(b"one\ntwo\n")
    path.write_bytes(b"three\n")
    with contextlib.closing(LogFollower(path)) as follower:
        assert follower.skip_to_end(2) == ["two", "three"]
        assert follower.read_lines() == []


def test_end_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    with contextlib.closing(LogFollower(tmp_path / "a.log")) as follower:
        assert follower.skip_to_end(5) == []


def test_no_line_is_lost_where_the_log_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = RotatingLog(path, max_bytes=1024, keep_count=2)
    log.write(b"first\n")
    seen: list[str] = []
    with contextlib.closing(LogFollower(path)) as follower:
        assert follower.skip_to_end(1) == ["first"]
        for number in range(300):
            log.write(f"line {number}\n".encode())
            if number % 50 == 0:
                seen += follower.read_lines()
        seen += follower.read_lines()
    log.close()
    assert seen == [f"line {number}" for number in range(300)]


def test_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with contextlib.closing(LogFollower(path)) as follower:
        assert follower.read_lines() == []
        path.write_bytes(b"one\n")
        assert follower.read_lines() == ["one"]


def test_replica_is_named_by_its_id() -> None:
    assert source_name(Path("my-svm_1_0.log")) == "my-svm:1:0"
    assert source_name(Path("frontend-0.log")) == "frontend-0"
