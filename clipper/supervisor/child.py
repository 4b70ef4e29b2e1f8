"""One spawned process: its pidfd, and the pipe that carries its stdout and stderr to a log file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from clipper.log_file import RotatingLog

# Read per wake-up: one chatty child must not keep the others waiting.
_DRAIN_BYTES: Final = 256 * 1024
# What may be left when a child has exited: a pipe holds at most fs.pipe-max-size, 1 MiB unless raised.
_FINAL_DRAIN_BYTES: Final = 4 * 1024 * 1024


class Child:
    """A running child process. Every method runs on the supervisor's one thread.

    Parameters
    ----------
    name : str
        For log lines and events.
    argv, env : sequence of str, mapping
        What to run; ``env`` is the whole environment.
    log : RotatingLog
        Receives stdout and stderr.
    pass_fds : sequence of int
        Descriptors that the child inherits under the same numbers.
    die_with_parent : callable
        From `make_die_with_parent`.

    Raises
    ------
    OSError
        The program cannot be executed.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        log: RotatingLog,
        *,
        pass_fds: Sequence[int],
        die_with_parent: Callable[[], None],
        now_us: int,
    ) -> None:
        self.name = name
        self.log = log
        self.started_us = now_us
        self.output_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.set_blocking(write_fd, True)  # the child's end: its prints wait rather than fail
            # A session of its own: Ctrl-C in a terminal reaches only the process in the foreground, which then
            # drains the rest in order; and what the child spawns can be killed as one process group.
            self._process = subprocess.Popen(
                argv,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=write_fd,
                stderr=write_fd,
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # safe here: this process has one thread
            )
        except BaseException:
            os.close(self.output_fd)
            raise
        finally:
            os.close(write_fd)
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)

    def drain(self) -> bool:
        """Move what the child has printed to its log; False when every writer has closed the pipe."""
        return self._copy(_DRAIN_BYTES)

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the child itself; nothing happens if it has exited."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return

    def reap(self) -> int:
        """Collect the exit of a child whose pidfd is readable; return its code (negative: the signal's number).

        Whatever it spawned in its process group is killed first, while the zombie still holds the group's
        number; then the rest of its output is written, so that its last words are in the log.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in the group
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self._copy(_FINAL_DRAIN_BYTES)
        os.close(self.output_fd)
        os.close(self.pidfd)
        return code

    def _copy(self, limit_bytes: int) -> bool:
        copied_bytes = 0
        while copied_bytes < limit_bytes:
            try:
                data = os.read(self.output_fd, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.log.write(data)
            copied_bytes += len(data)
        return True
