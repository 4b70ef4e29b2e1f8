"""Reading a log's end, and on from there, while it grows and is rotated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from clipper.log_file import read_back, read_tail, rotated_path


class LogFollower:
    """Gives the whole lines that were written since it last looked; at first, all that the file holds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._open()

    def skip_to_end(self, line_count: int) -> list[str]:
        """Return the last whole lines, and go behind them: each line is given once, however fast the log grows."""
        if self._file is None:
            return []
        data, begin = read_back(self._file.fileno(), line_count)
        whole, newline, _ = data.rpartition(b"\n")
        self._file.seek(begin + len(whole + newline))
        lines = whole.decode("utf-8", errors="replace").split("\n") if newline else []
        if begin == 0 and len(lines) < line_count:
            lines = [*read_tail(rotated_path(self._path, 1), line_count - len(lines)).splitlines(), *lines]
        return lines[-line_count:] if line_count else []

    def read_lines(self) -> list[str]:
        """Return the new lines; of a file that was rotated, its end and then the beginning of the next."""
        data = self._read()
        if self._is_rotated():
            data += self._read()
            self.close()
            self._open()
            data += self._read()
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", errors="replace") for line in lines]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> bytes:
        return b"" if self._file is None else self._file.read()

    def _open(self) -> None:
        try:
            self._file = self._path.open("rb")
        except OSError:  # between a rotation and the next line
            self._file = None

    def _is_rotated(self) -> bool:
        try:
            return self._file is None or os.fstat(self._file.fileno()).st_ino != self._path.stat().st_ino
        except OSError:
            return False
