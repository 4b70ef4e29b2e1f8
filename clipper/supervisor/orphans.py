"""What an earlier life of a run directory has left running, and its end.

Every process that a supervisor spawns carries the run directory's mark in its environment, and so does whatever it
spawns in turn. The kernel kills the children of a supervisor that is killed (`parent_death`), a moment after it has
let go of the lock, and their children not at all: a worker pool of a model would live on, and hold memory, a GPU or a
port that the next life needs. So a new supervisor, once it has the lock, ends all that carry the mark.
"""

from __future__ import annotations

import os
import select
import signal
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK_VARIABLE: Final = "CLIPPER_CHILD_OF"
MARK_FILE_NAME: Final = "mark"


def read_mark(run_dir: Path) -> str:
    """Return the mark of a run directory, whose lock the caller holds; its first life makes one up.

    It is random, so that a run directory of the same path in another container or on another disk is another one.

    Raises
    ------
    OSError
        The file cannot be read or made.
    """
    path = run_dir / MARK_FILE_NAME
    mark = path.read_text(errors="ignore") if path.exists() else ""
    if len(mark) != len(uuid.UUID(int=0).hex):  # none yet, or the disk was full when it was written
        mark = uuid.uuid4().hex
        path.touch(mode=0o600)
        path.write_text(mark)
    return mark


def end_orphans(mark: str, limit_us: int) -> list[int]:
    """SIGKILL every process that carries the mark and is none of our ancestors; return the pids, once they are gone.

    After ``limit_us`` it returns all the same: a process that the kernel cannot end now does not keep Clipper from
    starting.
    """
    needle = f"{MARK_VARIABLE}={mark}".encode()
    deadline_s = time.monotonic() + limit_us / 1e6
    killed: list[int] = []
    # One that is being killed may have forked just before: look until there is none.
    while (found := _carriers(needle, set(killed))) and time.monotonic() < deadline_s:
        for pid in found:
            killed.append(pid)
            _kill(pid, deadline_s)
    return killed


def _carriers(needle: bytes, known: set[int]) -> list[int]:
    spared = {*known, *_ancestry()}
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in spared:
            with suppress(OSError):  # it has just ended, or is another user's
                if needle in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _ancestry() -> set[int]:
    """Return this process and those above it: somebody may start Clipper again from within a model of its own."""
    pids = {os.getpid()}
    pid = os.getppid()
    while pid > 0 and pid not in pids:
        pids.add(pid)
        try:
            status = (Path("/proc") / str(pid) / "stat").read_text()
        except OSError:
            break
        pid = int(status.rpartition(")")[2].split()[1])
    return pids


def _kill(pid: int, deadline_s: float) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], max(0.0, deadline_s - time.monotonic()))
    finally:
        os.close(descriptor)
