"""A process that must always run: started again, with exponential backoff, whenever it ends."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipper.backoff import Backoff
from clipper.supervisor.child import Child
from clipper.supervisor.children import ChildTable
from clipper.supervisor.event_loop import EventLoop, Timer

_logger = logging.getLogger("clipper.supervisor")


@dataclass(frozen=True, slots=True)
class Launch:
    """What one incarnation of a service is started with; made anew for each."""

    argv: Sequence[str]
    pass_fds: Sequence[int]
    # Called in the supervisor when the process was spawned or could not be: closes what only the child needs.
    after_spawn: Callable[[], None] = lambda: None


class Service:
    """Keeps one process running until `retire`.

    Parameters
    ----------
    make_launch : callable
        Gives the command of the next incarnation.
    on_exit : callable
        Told ``(name, code)`` of each exit, before the restart is planned.
    """

    def __init__(
        self,
        name: str,
        loop: EventLoop,
        children: ChildTable,
        backoff: Backoff,
        log_path: Path,
        make_launch: Callable[[], Launch],
        on_exit: Callable[[str, int], None],
    ) -> None:
        self.name = name
        self.child: Child | None = None
        self._loop = loop
        self._children = children
        self._backoff = backoff
        self._log_path = log_path
        self._make_launch = make_launch
        self._tell_exit = on_exit
        self._retired = False
        self._restart_timer: Timer | None = None

    def start(self) -> None:
        """Spawn the process; a program that cannot be executed counts as an exit and is tried again."""
        launch = self._make_launch()
        try:
            self.child = self._children.spawn(
                self.name, launch.argv, os.environ, self._log_path, self._on_exit, pass_fds=launch.pass_fds
            )
        except OSError as error:
            _logger.error("cannot start %s: %s", self.name, error)
            self._plan_restart(code=127, lived_us=0)
        finally:
            launch.after_spawn()

    def retire(self) -> None:
        """Do not start it again; a living process is left to the caller to stop."""
        self._retired = True
        if self._restart_timer is not None:
            self._restart_timer.cancel()

    def _on_exit(self, child: Child, code: int) -> None:
        self.child = None
        self._plan_restart(code, self._loop.now_us() - child.started_us)

    def _plan_restart(self, code: int, lived_us: int) -> None:
        self._backoff = self._backoff.failed(lived_us)
        self._tell_exit(self.name, code)
        if self._retired:
            return
        delay_us = self._backoff.delay_us
        _logger.warning("%s ended with code %d: starts again in %d us", self.name, code, delay_us)
        self._restart_timer = self._loop.call_later(delay_us, self.start)
