"""An instance of Clipper that another process has started, found by its run directory."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

from clipper.config import ClipperConfig, read_config
from clipper.errors import ClipperError, UnavailableError
from clipper.supervisor.lock_file import read_supervisor_pid


@dataclass(slots=True)
class RunningInstance:
    """A supervisor held by a pidfd, so that its number can never be another process's by mistake."""

    run_dir: Path
    pid: int
    pidfd: int

    def send_signal(self, number: int) -> None:
        """Signal the supervisor; one that has ended meanwhile is as good.

        Raises
        ------
        UnavailableError
            It is another user's.
        """
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise UnavailableError(
                f"the Clipper in {str(self.run_dir)!r} (pid {self.pid}) is another user's", hint="ask that user"
            ) from error

    def wait(self, limit_us: int) -> bool:
        """Return whether it has ended within ``limit_us``."""
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return bool(poller.poll(limit_us / 1000))

    def close(self) -> None:
        """Let go of the process; it runs on."""
        os.close(self.pidfd)


def find_running(run_dir: Path) -> RunningInstance | None:
    """Return the instance that runs in ``run_dir``, or None; `RunningInstance.close` it."""
    pid = read_supervisor_pid(run_dir)
    if pid is None:
        return None
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:  # it has ended
        return None
    # The number may have been given to another process since it was written.
    if _is_supervisor_of(pid, run_dir):
        return RunningInstance(run_dir, pid, pidfd)
    os.close(pidfd)
    return None


def running_config(run_dir: Path) -> ClipperConfig | None:
    """Return the configuration, with its real ports, of the instance that runs in ``run_dir``; None if none does."""
    running = find_running(run_dir)
    if running is None:
        return None
    running.close()
    try:
        return read_config(run_dir)
    except (ClipperError, OSError):  # of another version, or on its way out
        return None


def _is_supervisor_of(pid: int, run_dir: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"clipper.supervisor" in words and os.fsencode(run_dir) in words
