"""Size-rotated log files: written without a buffer, so that what a process said last is on disk when it is gone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# Begins the line that the supervisor writes into a log before the output of each new process.
START_MARK: Final = "--- started "
_TAIL_BLOCK_BYTES: Final = 64 * 1024
_MAX_TAIL_BYTES: Final = 4 * 1024 * 1024  # 10,000 lines, the most that is asked for, of 400 bytes
_NEWLINE: Final = ord("\n")


class RotatingLog:
    """An append-only file that is renamed to ``<name>.1`` when it reaches ``max_bytes``; ``keep_count`` are kept.

    A write never raises: a full disk must not stop the process that drains the pipes. What could not be
    written is counted in ``dropped_bytes``.
    """

    def __init__(self, path: Path, max_bytes: int, keep_count: int) -> None:
        self.path = path
        self.dropped_bytes = 0
        self._max_bytes = max_bytes
        self._keep_count = keep_count
        self._descriptor = -1
        self._size_bytes = 0
        self._ends_line = True

    def write(self, data: bytes) -> None:
        """Append ``data``, rotating as often as needed so that no file exceeds ``max_bytes``.

        A file ends with a whole line, unless one line alone is longer than a file.
        """
        view = memoryview(data)
        while view:
            try:
                if self._descriptor < 0:
                    self._open()
                fitting = self._fitting(view)
                if not fitting:
                    self._rotate()
                    continue
                written = os.write(self._descriptor, fitting)
            except OSError:
                self.dropped_bytes += len(view)
                return
            self._size_bytes += written
            self._ends_line = view[written - 1] == _NEWLINE
            view = view[written:]

    def _fitting(self, view: memoryview) -> memoryview:
        """Return what of ``view`` belongs into the present file; nothing if it must be rotated first."""
        room_bytes = self._max_bytes - self._size_bytes
        if len(view) <= room_bytes:
            return view
        whole_lines_bytes = bytes(view[:room_bytes]).rfind(b"\n") + 1
        if whole_lines_bytes == 0 and (self._size_bytes == 0 or not self._ends_line):
            return view[:room_bytes]  # a line that began in this file, or that fits into none
        return view[:whole_lines_bytes]

    def end_line(self) -> None:
        """Complete the last line if whoever wrote it was killed in the middle, so that a new one begins."""
        if not _ends_with_line(self.path):
            self.write(b"\n")

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size_bytes = os.fstat(self._descriptor).st_size
        self._ends_line = _ends_with_line(self.path)

    def _rotate(self) -> None:
        self.close()
        if self._keep_count == 0:
            self.path.unlink()
        else:
            for index in range(self._keep_count - 1, 0, -1):
                older = rotated_path(self.path, index)
                if older.exists():
                    older.replace(rotated_path(self.path, index + 1))
            self.path.replace(rotated_path(self.path, 1))
        self._open()


def is_start_line(line: str) -> bool:
    """Whether the supervisor wrote this line because a process was started; in either format."""
    return line.startswith(START_MARK) or (line.startswith("{") and f'"message": "{START_MARK}' in line)


def rotated_path(path: Path, index: int) -> Path:
    """Return where the ``index``-th older file of ``path`` lies (1 = the newest of them)."""
    return path.with_name(f"{path.name}.{index}")


def read_tail(path: Path, line_count: int) -> str:
    """Return the last ``line_count`` lines of a log, reading back into the rotated file where the newest has fewer.

    At most 4 MiB of each of the two newest files are read. Bytes that are not UTF-8 are replaced. A log that does
    not exist is empty.
    """
    data, begin = _tail_of(path, line_count)
    if begin == 0 and data.count(b"\n") < line_count:
        data = _tail_of(rotated_path(path, 1), line_count)[0] + data
    return "\n".join(data.decode("utf-8", errors="replace").splitlines()[-line_count:])


def read_back(descriptor: int, line_count: int) -> tuple[bytes, int]:
    """Return the end of an open file, and where that begins: with ``line_count`` whole lines, if there are as many.

    Not more than 4 MiB are read; if they do not suffice, the first line may lack its begin.
    """
    end = begin = os.fstat(descriptor).st_size
    blocks: list[bytes] = []
    line_ends = 0
    while begin > 0 and line_ends <= line_count and end - begin < _MAX_TAIL_BYTES:
        size_bytes = min(_TAIL_BLOCK_BYTES, begin)
        begin -= size_bytes
        blocks.append(os.pread(descriptor, size_bytes, begin))
        line_ends += blocks[-1].count(b"\n")
    return b"".join(reversed(blocks)), begin


def _tail_of(path: Path, line_count: int) -> tuple[bytes, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b"", 0
    try:
        return read_back(descriptor, line_count)
    except OSError:
        return b"", 0
    finally:
        os.close(descriptor)


def _ends_with_line(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) > 0:
                file.seek(-1, os.SEEK_END)
            return file.read() in (b"", b"\n")
    except OSError:
        return True
