"""Containers as plain processes, spawned by the supervisor: they outlive management and are reaped at once."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from clipper.deploy.containers import IMAGE_PREFIX
from clipper.deploy.device_environment import default_variables, process_variables
from clipper.deploy.devices import Grant
from clipper.deploy.manager import (
    ContainerManager,
    ReplicaExit,
    ReplicaSpec,
    RunningReplica,
)
from clipper.deploy.resources import thread_environment
from clipper.errors import DeployError, UnavailableError
from clipper.log_file import is_start_line, read_tail
from clipper.types import ReplicaId

_logger = logging.getLogger(__name__)
_MAX_LINE_BYTES: Final = 1024 * 1024
# The supervisor kills after the grace; it has this much longer to reap and report.
_REAP_LIMIT_US: Final = 5_000_000


class ProcessManager(ContainerManager):
    """The client end of `clipper.supervisor.containers`.

    Of a replica's resources it knows ``cpu``: the threads that numerical libraries start; and it lets a replica see the
    devices that it was given. A plain process is held to nothing.

    Parameters
    ----------
    log_dir : Path
        Where the supervisor writes the containers' output.
    """

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._running: dict[ReplicaId, RunningReplica] = {}
        self._starting: dict[ReplicaId, asyncio.Future[RunningReplica]] = {}
        self._exits: dict[ReplicaId, asyncio.Event] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._is_listed = False
        self._refusal = "there is no link to the supervisor"
        self._restarts: Mapping[str, int] = {}

    @property
    def process_restarts(self) -> Mapping[str, int]:
        return self._restarts

    async def connect(self, connection: socket.socket) -> None:
        """Take over the link and learn which replicas run already; call `serve` afterwards.

        Raises
        ------
        UnavailableError
            The supervisor closed the link.
        """
        self._reader, self._writer = await asyncio.open_connection(sock=connection, limit=_MAX_LINE_BYTES)
        while not self._is_listed:
            line = await self._reader.readline()
            if not line:
                raise UnavailableError("the supervisor is gone")
            self._on_event(json.loads(line))

    async def serve(self) -> None:
        """Handle the supervisor's events until it closes the link: it has died, and so will we."""
        try:
            while line := await self._reader.readline():
                self._on_event(json.loads(line))
            self._refusal = "the supervisor is gone"
            self.events.on_closed()
        finally:
            if self._writer is not None:
                self._writer.close()
            self._writer = None
            for future in self._starting.values():
                if not future.done():
                    future.set_exception(UnavailableError(self._refusal))

    async def close(self, grace_us: int) -> None:
        """Let go of the link. Containers are the supervisor's, who ends them, with Clipper, in its own time."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def start_replica(self, spec: ReplicaSpec) -> RunningReplica:
        if spec.replica_id in self._starting or spec.replica_id in self._running:
            raise DeployError(f"the replica {spec.replica_id!r} runs already")
        if spec.argv[0].startswith(IMAGE_PREFIX):
            raise DeployError(
                f"{spec.argv[0]!r} is a Docker image, and replicas are processes here: start Clipper with "
                "--container-manager docker"
            )
        started: asyncio.Future[RunningReplica] = asyncio.get_running_loop().create_future()
        command = {
            "op": "start",
            "id": spec.replica_id,
            "argv": list(spec.argv),
            "env": {
                **thread_environment(spec.resources),
                **default_variables(spec.grant),
                **spec.env,
                **process_variables(spec.grant, spec.resources),
            },
            "log": str(self.log_path(spec.replica_id)),
            "devices": "" if spec.grant is None else str(spec.grant),
        }
        self._starting[spec.replica_id] = started
        try:
            await self._send(command)
            return await started
        finally:
            self._starting.pop(spec.replica_id, None)

    async def stop_replica(self, replica_id: ReplicaId, grace_us: int) -> None:
        starting = self._starting.get(replica_id)
        if starting is not None:
            await asyncio.wait([starting])
        if replica_id not in self._running:
            return
        gone = self._exits.setdefault(replica_id, asyncio.Event())
        await self._send({"op": "stop", "id": replica_id, "grace_us": grace_us})
        try:
            await asyncio.wait_for(gone.wait(), (grace_us + _REAP_LIMIT_US) / 1e6)
        except TimeoutError:
            raise UnavailableError(f"the supervisor did not report the end of {replica_id!r}") from None

    def list_replicas(self) -> tuple[RunningReplica, ...]:
        return tuple(self._running.values())

    def logs(self, replica_id: ReplicaId, line_count: int) -> str:
        return last_life(self.log_path(replica_id), line_count)

    def log_path(self, replica_id: ReplicaId) -> Path:
        """Return the replica's log file; names hold no ``_``, so two replicas never share one."""
        return self._log_dir / f"{replica_id.replace(':', '_')}.log"

    async def _send(self, command: Mapping[str, Any]) -> None:
        if self._writer is None:
            raise UnavailableError(f"no container can be started or stopped: {self._refusal}")
        self._writer.write(json.dumps(command).encode() + b"\n")
        await self._writer.drain()

    def _on_event(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "started":
                grant = Grant.parse(event.get("devices", ""))
                self._on_started(RunningReplica(ReplicaId(event["id"]), event["pid"], grant))
            case "start_failed":
                future = self._starting.get(ReplicaId(event["id"]))
                if future is not None and not future.done():
                    future.set_exception(DeployError(f"the container cannot be started: {event['error']}"))
            case "exited":
                replica_id = ReplicaId(event["id"])
                self._running.pop(replica_id, None)
                self.events.on_exit(ReplicaExit(replica_id, event["code"]))
                gone = self._exits.pop(replica_id, None)
                if gone is not None:
                    gone.set()
            case "restarts":
                self._restarts = dict(event["counts"])
            case "listed":
                self._is_listed = True
            case "draining":
                self._refusal = "Clipper is being stopped"
                self.events.on_closed()
            case unknown:
                _logger.warning("the supervisor sent an unknown event %r", unknown)

    def _on_started(self, replica: RunningReplica) -> None:
        self._running[replica.replica_id] = replica
        future = self._starting.get(replica.replica_id)
        if future is None:
            self.events.on_running(replica)
        elif not future.done():
            future.set_result(replica)


def last_life(path: Path, line_count: int) -> str:
    """Return the last lines of a log, as far as the newest process has written them."""
    lines = read_tail(path, line_count).split("\n")
    starts = [number for number, line in enumerate(lines) if is_start_line(line)]
    return "\n".join(lines[starts[-1] + 1 :] if starts else lines)
