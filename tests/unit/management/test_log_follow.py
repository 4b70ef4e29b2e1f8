"""Following a log: every line once and whole, through rotations, and an end that loses nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clipper.log_file import RotatingLog
from clipper.management.log_follow import follow


def followed(path: Path, line_count: int, writes: list[bytes], log: RotatingLog | None = None) -> bytes:
    """Return what a follower gets that begins before ``writes`` are made, one after each look."""

    async def run() -> bytes:
        target = log or RotatingLog(path, 10**6, 1)
        remaining = list(writes)

        def is_over() -> bool:
            if remaining:
                target.write(remaining.pop(0))
                return False
            return True

        got = b""
        async for chunk in follow(path, line_count, is_over):
            got += chunk
        target.close()
        return got

    return asyncio.run(asyncio.wait_for(run(), 20))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipper.management.log_follow._POLL_INTERVAL_S", 0.001)


@pytest.mark.parametrize(
    ("written", "line_count", "expected"),
    [
        (b"", 5, b""),
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc\n", 9, b"a\nb\nc\n"),
        (b"a\nb\npart", 1, b"b\npart"),  # the end of the stream gives the rest
        (b"part", 3, b"part"),
    ],
)
def test_follower_begins_with_the_last_lines(tmp_path: Path, written: bytes, line_count: int, expected: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(written)
    assert followed(path, line_count, []) == expected


def test_log_that_does_not_exist_yet_is_followed_from_its_begin(tmp_path: Path) -> None:
    assert followed(tmp_path / "log", 3, [b"one\n", b"two\n"]) == b"one\ntwo\n"


def test_line_that_is_written_in_pieces_comes_whole(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"old\nbe")
    assert followed(tmp_path / "log", 1, [b"g", b"in\nnext", b" one\n"]) == b"old\nbegin\nnext one\n"


def test_rotations_lose_and_repeat_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writes = [b"".join(b"line %d.%d\n" % (turn, number) for number in range(9)) for turn in range(30)]
    # Each write fills about half a file; a follower that looks after each one is never two files behind.
    log = RotatingLog(path, 200, 3)
    assert followed(path, 10, writes, log) == b"".join(writes)


def test_first_lines_are_taken_from_the_rotated_file_where_the_newest_is_too_short(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_bytes(b"a\nb\n")
    (tmp_path / "log").write_bytes(b"c\n")
    assert followed(tmp_path / "log", 2, []) == b"b\nc\n"


def test_first_lines_of_a_long_file_have_no_gap_before_them(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_bytes(b"old\n" * 5_000)
    lines = b"".join(b"line %0100d\n" % number for number in range(2_000))
    (tmp_path / "log").write_bytes(lines)
    assert followed(tmp_path / "log", 2_000, [b"new\n"]) == lines + b"new\n"


def test_endless_line_is_given_in_pieces(tmp_path: Path) -> None:
    assert followed(tmp_path / "log", 1, [b"x" * 200_000, b"y\n"]) == b"x" * 200_000 + b"y\n"
