"""The files of a decision log: rotated ones included, oldest first, at the size they have when they are opened."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

from clipper.errors import NotFoundError

Progress = Callable[[str, int, int], None]
"""Told what goes on, and how many of how many steps of it are done."""

PROGRESS_LINES: Final = 20_000
"""Lines between two calls of a `Progress`: some tens of milliseconds."""
_COMPRESSED: Final = ".gz"
_ROTATED: Final = re.compile(r"\.(\d+)(?:\.gz)?")


class LogFiles:
    """One decision log, opened: a later rotation or more lines change nothing of what is read.

    Parameters
    ----------
    paths : sequence of Path
        Logs; of each the rotated files ``NAME.1``, ``NAME.2`` (also ``.gz``) are read before it.

    Raises
    ------
    NotFoundError
        A file is not there, or may not be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._opened = ExitStack()
        self.paths: list[Path] = []
        self._files: list[IO[bytes]] = []
        self._size_bytes: list[int] = []
        seen: set[tuple[int, int]] = set()
        try:
            for path in paths:
                self._open_rotated(path, seen)
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    @property
    def total_bytes(self) -> int:
        """Size of all files, as they lie on disk."""
        return sum(self._size_bytes)

    def lines(self, progress: Progress, text: str) -> Iterator[tuple[Path, int, bytes, bool]]:
        """Yield file, line number, the line, and whether its end is missing; each call begins anew."""
        done_bytes = 0
        for path, file, size_bytes in zip(self.paths, self._files, self._size_bytes, strict=True):
            file.seek(0)
            is_compressed = path.suffix == _COMPRESSED
            left_bytes = size_bytes
            for number, line in enumerate(file, 1):
                piece = line if is_compressed else line[:left_bytes]
                left_bytes -= len(line)
                yield path, number, piece, not piece.endswith(b"\n")
                if number % PROGRESS_LINES == 0:
                    read_bytes = os.lseek(file.fileno(), 0, os.SEEK_CUR)
                    progress(text, done_bytes + min(read_bytes, size_bytes), self.total_bytes)
                if left_bytes <= 0 and not is_compressed:
                    break
            done_bytes += size_bytes
        progress(text, done_bytes, self.total_bytes)

    def _open_rotated(self, path: Path, seen: set[tuple[int, int]]) -> None:
        """Open a log and its older files.

        The newest first: what is renamed meanwhile is met a second time under its new name, and known by its inode.
        """
        first = len(self._files)
        for candidate in [path, *_older(path)]:
            try:
                raw = candidate.open("rb")
            except FileNotFoundError:
                if candidate is path:
                    raise NotFoundError(f"there is no decision log {str(path)!r}", hint=_beside(path)) from None
                continue
            except OSError as error:
                raise NotFoundError(f"{str(candidate)!r} cannot be read: {error.strerror}") from error
            self._opened.callback(raw.close)
            stat = os.fstat(raw.fileno())
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            file: IO[bytes] = raw
            if candidate.suffix == _COMPRESSED:
                file = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
            self.paths.insert(first, candidate)
            self._files.insert(first, file)
            self._size_bytes.insert(first, stat.st_size)


def _older(path: Path) -> list[Path]:
    """Return the rotated files of a log, the newest of them first."""
    found: list[tuple[int, Path]] = []
    try:
        for sibling in path.parent.iterdir():
            match = _ROTATED.fullmatch(sibling.name.removeprefix(path.name))
            if sibling.name.startswith(path.name) and match:
                found.append((int(match[1]), sibling))
    except OSError:
        return []
    return [sibling for _, sibling in sorted(found)]


def _beside(path: Path) -> str:
    """Say which logs lie where one was looked for."""
    try:
        found = sorted(item.name for item in path.parent.iterdir() if item.suffix in (".jsonl", ".parquet"))
    except OSError:
        found = []
    where = f"{str(path.parent)!r} has: {', '.join(found)}; " if found else ""
    return where + "an application writes one if it is registered with learning={'log_decisions': true}"
