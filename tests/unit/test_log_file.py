"""Log files rotate by size, and their end is what was written last."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.log_file import RotatingLog, read_tail, rotated_path


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(0, 3))
def test_log_files_hold_the_newest_bytes_and_none_exceeds_its_size(writes: list[bytes], keep_count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.log"
        log = RotatingLog(path, max_bytes=100, keep_count=keep_count)
        for data in writes:
            log.write(data)
        log.close()
        files = [rotated_path(path, index) for index in range(keep_count, 0, -1)] + [path]
        parts = [file.read_bytes() for file in files if file.exists()]
        assert all(len(part) <= 100 for part in parts)
        assert b"".join(writes).endswith(b"".join(parts))
        assert len(b"".join(parts)) >= min(len(b"".join(writes)), 50 * keep_count)  # two neighbours never fit in one
        assert len(os.listdir(directory)) <= keep_count + 1


def test_log_appends_to_what_an_earlier_process_left(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    for text in (b"first\n", b"second\n"):
        log = RotatingLog(path, max_bytes=1024, keep_count=1)
        log.write(text)
        log.close()
    assert path.read_bytes() == b"first\nsecond\n"


def test_log_that_cannot_be_written_drops_and_counts(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "missing" / "x.log", max_bytes=1024, keep_count=1)
    log.write(b"lost")
    assert log.dropped_bytes == 4


def test_tail_reads_back_into_the_rotated_file(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = RotatingLog(path, max_bytes=len(b"line 0\n") * 3, keep_count=2)
    log.write(b"".join(b"line %d\n" % number for number in range(5)))
    log.close()
    assert read_tail(path, 2).split("\n") == ["line 3", "line 4"]
    assert read_tail(path, 4).split("\n") == ["line 1", "line 2", "line 3", "line 4"]


def test_tail_of_a_long_file_has_no_gap_before_it(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    rotated_path(path, 1).write_text("old\n" * 100_000)
    lines = [f"line {number:0100d}" for number in range(3_000)]
    path.write_text("\n".join(lines) + "\n")
    for line_count in (1, 1_000, 3_000):
        assert read_tail(path, line_count).split("\n") == lines[-line_count:]
    assert read_tail(path, 3_002).split("\n") == ["old", "old", *lines]


def test_tail_of_a_missing_log_is_empty_and_of_binary_rubbish_is_text(tmp_path: Path) -> None:
    assert read_tail(tmp_path / "none.log", 5) == ""
    (tmp_path / "x.log").write_bytes(b"\xff\xfe ok\n")
    assert read_tail(tmp_path / "x.log", 5).endswith(" ok")


def test_line_that_a_killed_writer_left_unfinished_is_ended_once(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "log", max_bytes=1024, keep_count=0)
    log.end_line()
    log.write(b"half a li")
    log.end_line()
    log.end_line()
    log.write(b"whole\n")
    log.close()
    assert (tmp_path / "log").read_text() == "half a li\nwhole\n"


def test_rotation_keeps_lines_whole(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "x.log", max_bytes=10, keep_count=3)
    log.write(b"aaaa\nbbbb\n")
    log.write(b"cccc\ndd")
    log.write(b"dd\neeee\n")
    assert (tmp_path / "x.log.2").read_bytes() == b"aaaa\nbbbb\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"cccc\ndddd\n"
    assert (tmp_path / "x.log").read_bytes() == b"eeee\n"


def test_line_longer_than_a_file_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "x.log", max_bytes=8, keep_count=4)
    log.write(b"a\n")
    log.write(b"0123456789\nb\n")
    pieces = [(tmp_path / f"x.log{suffix}").read_bytes() for suffix in (".2", ".1", "")]
    assert pieces == [b"a\n", b"01234567", b"89\nb\n"]
