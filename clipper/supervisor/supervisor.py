"""The supervisor proper: which processes there are, and the order in which they end.

SIGTERM (or SIGINT, SIGHUP, or the death of the owner) drains: frontends first, so that queries in flight are still
answered by living containers; then containers; then management, which has watched them go. A second signal kills at
once. If the supervisor itself is killed, the kernel kills its children (`parent_death`).
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from clipper.backoff import Backoff
from clipper.config import ClipperConfig
from clipper.supervisor.child import Child
from clipper.supervisor.children import ChildTable
from clipper.supervisor.containers import ContainerDesk
from clipper.supervisor.event_loop import EventLoop
from clipper.supervisor.listeners import Listeners
from clipper.supervisor.orphans import end_orphans
from clipper.supervisor.service import Launch, Service

_ORPHANS_LIMIT_US: Final = 2_000_000
_DOCKER_REAP_US: Final = 10_000_000  # from SIGKILL until Docker tells of the end
_logger = logging.getLogger("clipper.supervisor")


class Supervisor:
    """One instance of Clipper.

    Parameters
    ----------
    owner_pidfd : int
        Refers to the process that embeds Clipper; its death drains. -1 = none.
    report_fd : int
        Gets one JSON line per event until the reader closes it: ``listening``, ``exited``. -1 = none.
    mark : str
        Of the run directory (`orphans`).
    """

    def __init__(
        self, config: ClipperConfig, listeners: Listeners, *, owner_pidfd: int = -1, report_fd: int = -1, mark: str = ""
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._owner_pidfd = owner_pidfd
        self._report_fd = report_fd
        self._mark = mark
        self._loop = EventLoop()
        self._children = ChildTable(self._loop, config.logs, mark)
        self._containers = ContainerDesk(self._loop, self._children, config.logs, self._advance_drain)
        self._frontends = [
            self._service(f"frontend-{worker}", functools.partial(self._launch_frontend, worker))
            for worker in range(config.frontend.workers)
        ]
        self._management = self._service("management", self._launch_management)
        self._drain_steps: list[Callable[[], list[Child]]] = []
        self._draining: list[Child] | None = None  # the children that the present step waits for

    def run(self) -> int:
        """Start everything, and return the exit code when all of it has ended."""
        self._loop.watch_signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), self._on_signal)
        if self._owner_pidfd >= 0:
            self._loop.watch(self._owner_pidfd, self._on_owner_death)
        self._management.start()
        for frontend in self._frontends:
            frontend.start()
        listen = self._config.listen
        _logger.info("queries on %s, management on %s", self._config.query_url, self._config.management_url)
        self._report({"event": "listening", "query_port": listen.query_port, "management_port": listen.management_port})
        self._loop.run()
        if self._mark:  # what containers have spawned into sessions of their own
            end_orphans(self._mark, _ORPHANS_LIMIT_US)
        if self._config.remove_run_dir:
            shutil.rmtree(self._config.run_dir, ignore_errors=True)
        return 0

    # -- processes ---------------------------------------------------------------------------------------------------

    def _service(self, name: str, make_launch: Callable[[], Launch]) -> Service:
        options = self._config.supervisor
        return Service(
            name,
            self._loop,
            self._children,
            Backoff(options.restart_backoff_min_us, options.restart_backoff_max_us, options.restart_stable_us),
            self._config.log_dir / f"{name}.log",
            make_launch,
            self._on_service_exit,
        )

    def _launch_frontend(self, worker: int) -> Launch:
        query_fd = self._listeners.query.fileno()
        argv = [*self._config.frontend.command, "--worker", str(worker), "--run-dir", str(self._config.run_dir)]
        return Launch([*argv, "--query-fd", str(query_fd)], (query_fd,))

    def _launch_management(self) -> Launch:
        ours, theirs = socket.socketpair()
        self._containers.connect(ours)
        management_fd = self._listeners.management.fileno()
        argv = [*self._config.management.command, "--run-dir", str(self._config.run_dir)]
        argv += ["--management-fd", str(management_fd), "--supervisor-fd", str(theirs.fileno())]
        return Launch(argv, (management_fd, theirs.fileno()), theirs.close)

    def _on_service_exit(self, name: str, code: int) -> None:
        if name == self._management.name:
            self._containers.disconnect()
        if self._draining is None:
            self._containers.count_restart(name)
        self._report({"event": "exited", "name": name, "code": code})
        self._advance_drain()

    # -- the end -----------------------------------------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        if self._draining is not None:
            _logger.warning("signal %d while draining: killing what is left", number)
            self._children.kill_all()
            return
        _logger.info("signal %d: draining", number)
        self._begin_drain()

    def _on_owner_death(self) -> None:
        self._loop.forget(self._owner_pidfd)
        _logger.info("the process that started Clipper has ended: draining")
        if self._draining is None:
            self._begin_drain()

    def _begin_drain(self) -> None:
        for service in (*self._frontends, self._management):
            service.retire()
        self._containers.close()
        self._draining = []
        self._drain_steps = [self._stop_frontends, self._stop_containers, self._stop_management]
        self._advance_drain()

    def _advance_drain(self) -> None:
        """Take the next step once everybody of the present one has ended."""
        if self._draining is None or self._children.any_alive(self._draining):
            return
        while self._drain_steps:
            self._draining = self._drain_steps.pop(0)()
            if self._draining:
                return
        self._loop.stop()

    def _stop_frontends(self) -> list[Child]:
        # The frontends close their copies too: from then on a new connection is refused rather than left waiting.
        self._listeners.query.close()
        return self._stop_all(
            [frontend.child for frontend in self._frontends], self._config.supervisor.frontend_drain_limit_us
        )

    def _stop_containers(self) -> list[Child]:
        return self._stop_all(list(self._containers), self._config.supervisor.container_stop_limit_us)

    def _stop_management(self) -> list[Child]:
        self._listeners.management.close()
        limits = self._config.supervisor
        # Containers of Docker's are no children of ours: it is management that ends them.
        containers_us = limits.container_stop_limit_us + _DOCKER_REAP_US if self._config.uses_docker else 0
        return self._stop_all([self._management.child], limits.management_stop_limit_us + containers_us)

    def _stop_all(self, children: list[Child | None], limit_us: int) -> list[Child]:
        alive = [child for child in children if child is not None]
        for child in alive:
            self._children.stop(child, limit_us)
        return alive

    # -- the owner ---------------------------------------------------------------------------------------------------

    def _report(self, event: Mapping[str, Any]) -> None:
        if self._report_fd < 0:
            return
        try:
            os.write(self._report_fd, json.dumps(event).encode() + b"\n")
        except OSError:  # nobody listens any more: the start is over
            os.close(self._report_fd)
            self._report_fd = -1
