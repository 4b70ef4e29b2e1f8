"""All child processes of the supervisor: spawned, drained, watched by pidfd, and stopped within a limit."""

from __future__ import annotations

import functools
import logging
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from clipper.config import LogConfig
from clipper.log_file import RotatingLog
from clipper.logs import start_line
from clipper.supervisor.child import Child
from clipper.supervisor.event_loop import EventLoop
from clipper.supervisor.orphans import MARK_VARIABLE
from clipper.supervisor.parent_death import make_die_with_parent

OnExit = Callable[[Child, int], None]
_logger = logging.getLogger("clipper.supervisor")


class ChildTable:
    """The living children. Make it in the thread that runs the loop: children die with that thread.

    Parameters
    ----------
    mark : str, optional
        Of the run directory; every child, and what it spawns, carries it in its environment (`orphans`).
    """

    def __init__(self, loop: EventLoop, log_config: LogConfig, mark: str = "") -> None:
        self._loop = loop
        self._log_config = log_config
        self._marked = {MARK_VARIABLE: mark} if mark else {}
        self._die_with_parent = make_die_with_parent()
        self._alive: dict[int, Child] = {}  # by pid

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        log_path: Path,
        on_exit: OnExit,
        *,
        pass_fds: Sequence[int] = (),
    ) -> Child:
        """Start a process; ``on_exit(child, code)`` is called once, when it is reaped and its output is on disk.

        Raises
        ------
        OSError
            The program cannot be executed.
        """
        log = RotatingLog(log_path, self._log_config.max_bytes, self._log_config.keep_count)
        child = Child(
            name,
            argv,
            {**env, **self._marked},
            log,
            pass_fds=pass_fds,
            die_with_parent=self._die_with_parent,
            now_us=self._loop.now_us(),
        )
        log.end_line()
        log.write(start_line(self._log_config, name, child.pid))
        self._alive[child.pid] = child
        self._loop.watch(child.output_fd, functools.partial(self._on_output, child))
        self._loop.watch(child.pidfd, functools.partial(self._on_death, child, on_exit))
        _logger.info("started %s, pid %d", name, child.pid)
        return child

    def is_alive(self, child: Child) -> bool:
        """Whether ``child`` has not been reaped yet."""
        return self._alive.get(child.pid) is child

    def stop(self, child: Child, limit_us: int) -> None:
        """Send SIGTERM now, and SIGKILL when ``limit_us`` have passed and it still lives."""
        if not self.is_alive(child):
            return
        child.send_signal(signal.SIGTERM)
        self._loop.call_later(limit_us, functools.partial(self._kill_late, child, limit_us))

    def kill_all(self) -> None:
        """SIGKILL every child, now."""
        for child in self._alive.values():
            child.send_signal(signal.SIGKILL)

    def any_alive(self, children: Iterable[Child]) -> bool:
        """Whether one of ``children`` has not been reaped yet."""
        return any(self.is_alive(child) for child in children)

    def _on_output(self, child: Child) -> None:
        if not child.drain():
            # The child closed its output and lives on: nothing more to read; the descriptor is closed by reap.
            self._loop.forget(child.output_fd)

    def _on_death(self, child: Child, on_exit: OnExit) -> None:
        self._loop.forget(child.pidfd)
        self._loop.forget(child.output_fd)
        code = child.reap()
        child.log.close()
        del self._alive[child.pid]
        _logger.info("%s, pid %d, ended with code %d", child.name, child.pid, code)
        on_exit(child, code)

    def _kill_late(self, child: Child, limit_us: int) -> None:
        if self.is_alive(child):
            _logger.warning("%s, pid %d, did not end within %d us: killed", child.name, child.pid, limit_us)
            child.send_signal(signal.SIGKILL)
