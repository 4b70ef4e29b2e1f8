"""Follows a replica's log as it grows, through rotations and the replica's successors under the same name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from clipper.log_file import read_back, read_tail, rotated_path

_POLL_INTERVAL_S: Final = 0.1
_CHUNK_BYTES: Final = 64 * 1024


async def follow(path: Path, line_count: int, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the last ``line_count`` lines of a log, and then what is added, in whole lines, until ``is_over``.

    What was written before ``is_over`` became true is still given.
    """
    with _Follower(path) as follower:
        if tail := follower.skip_to_end(line_count):
            yield tail
        while True:
            is_last = is_over()
            while chunk := follower.read_lines():
                yield chunk
            if is_last:
                if rest := follower.rest():
                    yield rest
                return
            await asyncio.sleep(_POLL_INTERVAL_S)


class _Follower:
    """An open log file and its successor; a rotation renames it, and what was written before is read first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._partial = b""  # of a line whose end is not written yet

    def __enter__(self) -> _Follower:
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()

    def skip_to_end(self, line_count: int) -> bytes:
        """Go behind the last whole line that is written, and return the last ``line_count`` ones up to there."""
        if not self._open():
            return b""
        data, begin = read_back(self._descriptor, line_count)
        whole, newline, _ = data.rpartition(b"\n")
        os.lseek(self._descriptor, begin + len(whole + newline), os.SEEK_SET)
        lines = whole.split(b"\n") if newline else []
        if begin == 0 and len(lines) < line_count:
            lines = [*read_tail(rotated_path(self._path, 1), line_count - len(lines)).encode().split(b"\n"), *lines]
        lines = [line for line in lines[-line_count:] if line]
        return b"\n".join([*lines, b""]) if lines else b""

    def read_lines(self) -> bytes:
        """Return some whole lines that are new; empty if there are none."""
        while self._descriptor >= 0 or self._open():
            data = os.read(self._descriptor, _CHUNK_BYTES)
            if not data:
                if not self._is_rotated():
                    return b""
                data = os.read(self._descriptor, _CHUNK_BYTES)  # written between the two looks
                if not data:
                    self._close()
                    continue
            lines, newline, self._partial = (self._partial + data).rpartition(b"\n")
            if len(self._partial) >= _CHUNK_BYTES:  # a line without end
                lines, newline, self._partial = lines + newline + self._partial, b"", b""
            if lines:
                return lines + newline
        return b""

    def rest(self) -> bytes:
        """Return the line that has no end yet."""
        rest, self._partial = self._partial, b""
        return rest

    def _is_rotated(self) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False  # between the rename and the first write to the new file

    def _open(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        return True

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
