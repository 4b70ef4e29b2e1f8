"""Reading on in a log: whole lines, also across a rotation."""

from __future__ import annotations

import contextlib
from pathlib import Path

from clipper.cli.log_follower import LogFollower
from clipper.cli.logs import source_name
from clipper.log_file import RotatingLog


def test_new_lines_are_given_when_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"old\n")
    with contextlib.closing(LogFollower(path)) as follower, path.open("ab") as file:
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
    with contextlib.closing(LogFollower(path, from_start=True)) as follower:
        assert follower.read_lines() == ["old"]


def test_no_line_is_lost_where_the_log_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = RotatingLog(path, max_bytes=1024, keep_count=2)
    log.write(b"first\n")
    seen: list[str] = []
    with contextlib.closing(LogFollower(path)) as follower:
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
