"""Reading on in a log that grows and is rotated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


class LogFollower:
    """Gives the whole lines that were written since it last looked.

    Parameters
    ----------
    from_start : bool
        Begin with what the file holds already.
    """

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._open()
        if self._file is not None and not from_start:
            self._file.seek(0, os.SEEK_END)

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
