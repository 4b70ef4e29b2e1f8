"""The decision files: every decision of an application and what came back about it, one JSON object per line.

``<log_dir>/decisions/<application>.jsonl``, rotated. They are written by a thread, so that a slow disk keeps no query
waiting; what it cannot keep up with, or what does not fit on the disk, is left out, and a line says how much:
``{"type":"gap","lost":N}``.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path
from typing import Final

from clipper.log_file import RotatingLog

_log = logging.getLogger("clipper.frontend")

MAX_QUEUED_BYTES: Final = 16 << 20  # lines that wait for the disk
_END_LIMIT_S: Final = 1.0  # for the disk, when a worker ends; the supervisor waits for it


class _File:
    """The file of one application, and how many of its lines are missing since the last gap was told."""

    def __init__(self, log: RotatingLog) -> None:
        self.log = log
        self.untold = 0
        self.is_broken = False  # its last line may have been cut by a full disk

    def write(self, lines: bytes) -> int:
        """Append whole lines, a gap before them if there is one to tell; return how many were lost."""
        dropped_before = self.log.dropped_bytes
        if self.is_broken:
            self.log.end_line()
        if self.log.dropped_bytes != dropped_before:  # still no room: a line must not begin within the broken one
            lost = lines.count(b"\n")
            self.untold += lost
            return lost
        told = self.untold
        gap = b'{"type":"gap","lost":%d}\n' % told if told else b""
        self.log.write(gap + lines)
        dropped = self.log.dropped_bytes - dropped_before
        if dropped == 0:
            self.untold, self.is_broken = 0, False
            return 0
        lost_text = (gap + lines)[-dropped:]
        is_gap_lost = dropped > len(lines) and told > 0
        lost = lost_text.count(b"\n") - is_gap_lost
        self.untold = lost + (told if is_gap_lost else 0)
        self.is_broken = True
        return lost


class DecisionFiles:
    """Writes lines in a thread of its own, which is started by the first of them.

    Parameters
    ----------
    directory : Path
        Where the files lie; made when the first is written.
    max_bytes, keep_count : int
        Rotation, as of `RotatingLog`.
    max_queued_bytes : int
        What may wait for the disk; what comes beyond is lost and counted.
    """

    def __init__(
        self, directory: Path, *, max_bytes: int, keep_count: int, max_queued_bytes: int = MAX_QUEUED_BYTES
    ) -> None:
        self._directory = directory
        self._max_bytes, self._keep_count = max_bytes, keep_count
        self._max_queued_bytes = max_queued_bytes
        self._files: dict[str, _File] = {}  # the thread's
        self._changed = threading.Condition()
        # Below: shared with the thread, under the condition's lock.
        self._queue: deque[tuple[str, bytes, int]] = deque()
        self._queued_bytes = 0
        self._missing: dict[str, int] = {}  # lines that did not get into the queue and are not told yet
        self._lost: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._is_writing = False
        self._is_ended = False
        self._thread: threading.Thread | None = None

    def write(self, application: str, lines: bytes, missing: int = 0) -> None:
        """Have whole lines appended to an application's file; `missing` more were lost before them. Never waits."""
        with self._changed:
            if missing:
                self._count_missing(application, missing)
            if self._queued_bytes + len(lines) > self._max_queued_bytes:
                self._count_missing(application, lines.count(b"\n"))
                return
            self._queue.append((application, lines, self._missing.pop(application, 0)))
            self._queued_bytes += len(lines)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="decision-files", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def lost(self) -> dict[str, int]:
        """Return how many lines are in no file, by application."""
        with self._changed:
            return dict(self._lost)

    def written(self) -> dict[str, int]:
        """Return how many lines were written, by application."""
        with self._changed:
            return dict(self._written)

    def flush(self, limit_s: float = _END_LIMIT_S) -> bool:
        """Wait until everything given so far is written; tell whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._is_writing, limit_s)

    def close(self) -> None:
        """Write what is there and end the thread."""
        if not self.flush():
            _log.error("decisions were still waiting for the disk when the worker ended; they are lost")
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_END_LIMIT_S)

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._queue or self._is_ended)
                if not self._queue:
                    break
                application, lines, missing = self._queue.popleft()
                self._queued_bytes -= len(lines)
                self._is_writing = True
            lost = self._append(application, lines, missing)
            with self._changed:
                self._written[application] = self._written.get(application, 0) + lines.count(b"\n") - lost
                if lost:
                    self._lost[application] = self._lost.get(application, 0) + lost
        for application, missing in self._missing.items():
            self._append(application, b"", missing)  # a gap that no line came behind
        for file in self._files.values():
            file.log.close()

    def _append(self, application: str, lines: bytes, missing: int) -> int:
        file = self._files.get(application)
        if file is None:
            try:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                _log.error("decision files cannot be written to %s: %s", self._directory, error)
            log = RotatingLog(self._directory / f"{application}.jsonl", self._max_bytes, self._keep_count)
            log.end_line()  # an earlier worker may have been killed in the middle of one
            file = self._files[application] = _File(log)
        file.untold += missing
        was_broken = file.is_broken
        lost = file.write(lines)
        if lost and not was_broken:
            _log.error("decisions of application %s cannot be written to %s", application, file.log.path)
        return lost

    def _count_missing(self, application: str, count: int) -> None:
        self._missing[application] = self._missing.get(application, 0) + count
        self._lost[application] = self._lost.get(application, 0) + count
