"""Decision files: whole lines, rotated, and gaps that are told."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from clipper.frontend.decision_files import DecisionFiles


def files(directory: Path, *, max_bytes: int = 1 << 20, keep_count: int = 2, queued: int = 1 << 20) -> DecisionFiles:
    return DecisionFiles(directory, max_bytes=max_bytes, keep_count=keep_count, max_queued_bytes=queued)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_lines_of_each_application_stand_in_its_file(tmp_path: Path) -> None:
    written = files(tmp_path / "decisions")
    written.write("a", b'{"n":1}\n{"n":2}\n')
    written.write("b", b'{"n":3}\n')
    written.write("a", b'{"n":4}\n')
    written.close()
    assert lines(tmp_path / "decisions" / "a.jsonl") == ['{"n":1}', '{"n":2}', '{"n":4}']
    assert lines(tmp_path / "decisions" / "b.jsonl") == ['{"n":3}']
    assert (written.written(), written.lost()) == ({"a": 3, "b": 1}, {})
    assert (tmp_path / "decisions").stat().st_mode & 0o077 == 0, "what users were told is nobody else's business"


def test_file_is_rotated_between_lines(tmp_path: Path) -> None:
    written = files(tmp_path, max_bytes=20)
    for number in range(6):
        written.write("a", b'{"n":%d}\n' % number)
    written.close()
    assert [len(lines(tmp_path / name)) for name in ("a.jsonl", "a.jsonl.1", "a.jsonl.2")] == [2, 2, 2]


def test_lines_that_were_lost_before_they_came_are_told(tmp_path: Path) -> None:
    written = files(tmp_path)
    written.write("a", b'{"n":1}\n', missing=3)
    written.close()
    assert lines(tmp_path / "a.jsonl") == ['{"type":"gap","lost":3}', '{"n":1}']
    assert written.lost() == {"a": 3}


def test_lines_beyond_the_queue_are_lost_and_told(tmp_path: Path) -> None:
    written = files(tmp_path, queued=10)
    written.write("a", b"1\n2\n3\n4\n5\n6\n")  # longer than all that may wait
    written.write("a", b"7\n")
    written.close()
    assert lines(tmp_path / "a.jsonl") == ['{"type":"gap","lost":6}', "7"]
    assert (written.lost(), written.written()) == ({"a": 6}, {"a": 1})


def test_gap_at_the_end_is_told_when_the_files_are_closed(tmp_path: Path) -> None:
    written = files(tmp_path, queued=10)
    written.write("a", b"1\n")
    written.write("a", b"2\n" * 6)
    written.close()
    assert lines(tmp_path / "a.jsonl") == ["1", '{"type":"gap","lost":6}']


def test_line_that_an_earlier_worker_began_is_ended(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"n":1}\n{"n":')
    written = files(tmp_path)
    written.write("a", b'{"n":2}\n')
    written.close()
    assert lines(tmp_path / "a.jsonl") == ['{"n":1}', '{"n":', '{"n":2}']


def test_directory_that_cannot_be_made_loses_lines_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "decisions").write_text("in the way")
    written = files(tmp_path / "decisions")
    written.write("a", b"1\n2\n")
    written.close()
    assert (written.lost(), written.written()) == ({"a": 2}, {"a": 0})


def test_full_disk_loses_the_lines_that_it_does_not_hold_and_tells_them_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [9]  # bytes that still fit
    real_write = os.write

    def write(descriptor: int, data: memoryview) -> int:
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        count = real_write(descriptor, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr("clipper.log_file.os.write", write)
    written = files(tmp_path)
    written.write("a", b'{"n":1}\n{"n":2}\n')  # the disk is full within the second line
    assert written.flush()
    written.write("a", b'{"n":3}\n')
    assert written.flush()
    room[0] = 1 << 20
    written.write("a", b'{"n":4}\n')
    written.close()
    assert lines(tmp_path / "a.jsonl") == ['{"n":1}', "{", '{"type":"gap","lost":2}', '{"n":4}']
    assert (written.lost(), written.written()) == ({"a": 2}, {"a": 2})


def test_writing_never_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_writing, may_go_on = threading.Event(), threading.Event()
    real_write = os.write

    def write(descriptor: int, data: memoryview) -> int:
        is_writing.set()
        may_go_on.wait(10)
        return real_write(descriptor, data)

    monkeypatch.setattr("clipper.log_file.os.write", write)
    written = files(tmp_path, queued=4)
    written.write("a", b"1\n")
    assert is_writing.wait(10)
    for number in (b"2\n", b"3\n", b"4\n"):  # the third finds no room
        written.write("a", number)
    assert not written.flush(0)
    may_go_on.set()
    written.close()
    assert lines(tmp_path / "a.jsonl") == ["1", "2", "3", '{"type":"gap","lost":1}']
