"""Process containers, started and stopped at management's request; they outlive management.

Commands:  {"op": "start", "id", "argv", "env", "log", "devices"}    {"op": "stop", "id", "grace_us"}
Events:    {"event": "started", "id", "pid", "devices"}              {"event": "exited", "id", "pid", "code"}
           {"event": "start_failed", "id", "error"}                  {"event": "listed"}    {"event": "draining"}
           {"event": "restarts", "counts": {process: times}}

A management process that connects is sent ``restarts``, ``started`` for each container that is alive, and ``listed``.
What management has written as ``devices`` is a text that means something to management only.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from clipper.config import LogConfig
from clipper.logs import container_variables
from clipper.supervisor.child import Child
from clipper.supervisor.children import ChildTable
from clipper.supervisor.event_loop import EventLoop
from clipper.supervisor.link import LinkError, SupervisorLink

_logger = logging.getLogger("clipper.supervisor")


class ContainerDesk:
    """Carries out management's commands and reports what became of each container.

    Parameters
    ----------
    logs : LogConfig
        Every container is told to log like this, unless its version's own environment says otherwise.
    on_exit : callable
        Called after each exit of a container.
    """

    def __init__(self, loop: EventLoop, children: ChildTable, logs: LogConfig, on_exit: Callable[[], None]) -> None:
        self._loop = loop
        self._children = children
        self._after_exit = on_exit
        self._log_variables = container_variables(logs)
        self._containers: dict[str, Child] = {}
        self._devices: dict[str, str] = {}  # of each of them
        self._link: SupervisorLink | None = None
        self._restarts: dict[str, int] = {}
        self._closed = False

    def connect(self, connection: socket.socket) -> None:
        """Serve a new incarnation of management on ``connection``; the previous link is dropped."""
        self.disconnect()
        self._link = SupervisorLink(connection)
        self._watch_link()
        self._tell({"event": "restarts", "counts": self._restarts})
        for container_id, child in list(self._containers.items()):
            self._tell_started(container_id, child)
        self._tell({"event": "listed"})

    def disconnect(self) -> None:
        """Drop the link; the containers live on."""
        if self._link is not None:
            self._loop.forget(self._link.socket.fileno())
            self._link.socket.close()
            self._link = None

    def count_restart(self, process: str) -> None:
        """A worker or management itself is started again; management publishes how often that has happened."""
        self._restarts[process] = self._restarts.get(process, 0) + 1
        self._tell({"event": "restarts", "counts": self._restarts})

    def close(self) -> None:
        """Start no more containers, and tell management so: the instance is being drained."""
        self._closed = True
        self._tell({"event": "draining"})

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._containers.values()))

    def _on_readable(self) -> None:
        if self._link is None:
            return
        try:
            commands = self._link.receive()
        except LinkError as error:
            _logger.warning("link to management: %s", error)
            self.disconnect()
            return
        for command in commands:
            self._obey(command)

    def _obey(self, command: Mapping[str, Any]) -> None:
        try:
            match command["op"]:
                case "start":
                    argv, env = list(command["argv"]), dict(command["env"])
                    devices = str(command.get("devices", ""))
                    self._start(str(command["id"]), argv, env, Path(str(command["log"])), devices)
                case "stop":
                    child = self._containers.get(str(command["id"]))
                    if child is not None:
                        self._children.stop(child, int(command["grace_us"]))
                case unknown:
                    _logger.error("management sent an unknown command %r", unknown)
        except (KeyError, TypeError, ValueError) as error:
            # Not the command itself: a model's environment may hold secrets.
            _logger.error("management sent a command without sense, %r: %r", command.get("op"), error)

    def _start(self, container_id: str, argv: list[str], env: dict[str, str], log_path: Path, devices: str) -> None:
        if self._closed:
            self._tell({"event": "start_failed", "id": container_id, "error": "Clipper is being stopped"})
            return
        if container_id in self._containers:
            self._tell({"event": "start_failed", "id": container_id, "error": "a container with this id is running"})
            return
        try:
            child = self._children.spawn(
                container_id,
                argv,
                {**os.environ, **self._log_variables, **env},
                log_path,
                functools.partial(self._on_exit, container_id),
            )
        except (OSError, ValueError) as error:
            self._tell({"event": "start_failed", "id": container_id, "error": str(error)})
            return
        self._containers[container_id] = child
        self._devices[container_id] = devices
        self._tell_started(container_id, child)

    def _tell_started(self, container_id: str, child: Child) -> None:
        devices = self._devices[container_id]
        self._tell({"event": "started", "id": container_id, "pid": child.pid, "devices": devices})

    def _on_exit(self, container_id: str, child: Child, code: int) -> None:
        del self._containers[container_id], self._devices[container_id]
        self._tell({"event": "exited", "id": container_id, "pid": child.pid, "code": code})
        self._after_exit()

    def _tell(self, event: Mapping[str, Any]) -> None:
        if self._link is None:
            return
        try:
            self._link.send(event)
        except LinkError as error:
            _logger.warning("link to management: %s", error)
            self.disconnect()
            return
        self._watch_link()

    def _watch_link(self) -> None:
        if self._link is not None:
            on_writable = self._on_writable if self._link.wants_write else None
            self._loop.watch(self._link.socket.fileno(), self._on_readable, on_writable)

    def _on_writable(self) -> None:
        if self._link is None:
            return
        try:
            self._link.flush()
        except LinkError as error:
            _logger.warning("link to management: %s", error)
            self.disconnect()
            return
        self._watch_link()
