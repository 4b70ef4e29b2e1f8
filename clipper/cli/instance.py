"""The Clipper of a run directory, seen from outside: whether it runs, its process, its addresses."""

from __future__ import annotations

import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from clipper.config import (
    CONFIG_FILE_NAME,
    ClipperConfig,
    default_run_dir,
    find_config_file,
    load_config,
    read_config,
)
from clipper.config.locations import FILE_VARIABLE
from clipper.errors import ClipperError, UnavailableError
from clipper.supervisor.lock_file import read_supervisor_pid


def resolve_run_dir(run_dir: Path | None) -> Path:
    """Return the run directory that is meant: the given one, that of the configuration file, or this user's default.

    Raises
    ------
    InvalidArgumentError
        The configuration file is not valid.
    """
    if run_dir is not None:
        return run_dir.absolute()
    if os.environ.get(FILE_VARIABLE) or find_config_file(os.environ) is not None:
        return load_config(environment=os.environ, overrides={}).config.run_dir
    return default_run_dir(os.environ)


def management_url_of(config: ClipperConfig) -> str:
    """Return where the management of an instance is reached from this machine."""
    return _own_url(config, config.listen.management_url)


def query_url_of(config: ClipperConfig) -> str:
    """Return where its queries go, likewise."""
    return _own_url(config, config.listen.query_url)


def _own_url(config: ClipperConfig, url: str) -> str:
    scheme = "https" if config.security.tls_certificate_file is not None else "http"
    own = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    return f"{scheme}://{own.partition('://')[2]}"


@dataclass(slots=True)
class RunningInstance:
    """A running supervisor, held by a pidfd, so that its number can never be another process's by mistake."""

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
                f"the Clipper in {str(self.run_dir)!r} (pid {self.pid}) is another user's",
                hint="ask that user, or root",
            ) from error

    def wait(self, limit_us: int) -> bool:
        """Return whether it has ended within ``limit_us``."""
        deadline_s = time.monotonic() + limit_us / 1e6
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return bool(poller.poll(max(0.0, deadline_s - time.monotonic()) * 1000))

    def close(self) -> None:
        """Let go of the process; it runs on."""
        os.close(self.pidfd)


def find_running(run_dir: Path) -> RunningInstance | None:
    """Return the instance that runs in ``run_dir``, or None."""
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
    """Return the configuration that a start wrote to ``run_dir``, with its real ports; None if there is none."""
    if not (run_dir / CONFIG_FILE_NAME).is_file():
        return None
    try:
        return read_config(run_dir)
    except (ClipperError, OSError):  # of another version, or another user's
        return None


def started_s(pid: int) -> float | None:
    """Return when a process was started, as seconds since the epoch."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        boot_s = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, ValueError, StopIteration):
        return None
    return int(boot_s.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")


def _is_supervisor_of(pid: int, run_dir: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"clipper.supervisor" in words and os.fsencode(run_dir) in words
