"""The lock of a run directory: held while an instance runs, with the pid of its supervisor for whoever stops it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from clipper.errors import StartError

LOCK_FILE_NAME: Final = "supervisor.lock"


def take_lock(run_dir: Path) -> None:
    """Lock ``run_dir`` until this process ends, however it ends, and leave our pid in the lock.

    Raises
    ------
    OSError
        The file cannot be made.
    StartError
        Another process holds the lock.
    """
    # Never closed, and not inherited by children: the lock is ours until this process is gone.
    lock_fd = os.open(run_dir / LOCK_FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise StartError(
            f"run_dir={str(run_dir)!r} is in use by another running Clipper",
            hint="stop that one, or choose another run_dir",
        ) from error
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)


def read_supervisor_pid(run_dir: Path) -> int | None:
    """Return the pid that the last holder of the lock left; it may have ended since. None if there was none."""
    try:
        return int((run_dir / LOCK_FILE_NAME).read_text())
    except (OSError, ValueError):
        return None
