"""Unix socket server for the frontend workers: publishes snapshots, and knows when each has been applied.

One JSON object per line, UTF-8.

worker -> management:  hello {worker, pid, rpc_address}     applied {revision}
                       apply_failed {revision, error, is_caller_error}
                       replica {replica_id, model, version, state, reason}
                       observations {application, epoch, first_seq, items}    outputs {application, samples}
management -> worker:  snapshot {...}    replica_gone {replica_id}    drain_replica {replica_id}
                       plans {application, plans: [{context, plan}]}    observed {application, epoch, seq}

A worker connects for ever, says hello, and then reports every session it has. It is sent the snapshot, and then the
plans of all contexts. Observations it sends again, from the first that was not `observed`; epoch is a number that its
life alone has, and seq counts from 1 in each epoch and application. What is observed is in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clipper.deploy.broadcast import Broadcast
from clipper.deploy.replicas import REPORTED_STATES
from clipper.errors import InvalidArgumentError, ProtocolError, ServerError, UnavailableError
from clipper.types import ReplicaId, Revision

_logger = logging.getLogger(__name__)
# Statistics of a worker with thousands of models are the longest line; a snapshot goes the other way.
_MAX_LINE_BYTES: Final = 16 * 1024 * 1024
# What a worker may leave unread before it is cut off: it re-connects and gets the newest snapshot.
_MAX_UNSENT_BYTES: Final = 64 * 1024 * 1024

OnSession = Callable[[ReplicaId, int, str, str], None]
OnWorkers = Callable[[int, int | None], None]
Listener = Callable[[int, Mapping[str, Any]], None]
LISTENED: Final = ("observations", "outputs")
"""Messages of workers that are handed on to whoever listens."""


@dataclass(slots=True, eq=False)
class _Worker:
    """One connected worker."""

    index: int
    pid: int
    rpc_address: str
    writer: asyncio.StreamWriter
    applied: int = -1  # revision
    failed: int = -1  # revision that it refused
    error: str = ""
    is_caller_error: bool = False  # the value that it refused came from whoever asked for the change


class ControlChannel:
    """Runs on management's event loop.

    Parameters
    ----------
    worker_count : int
        Workers that a published snapshot waits for.
    make_snapshot : callable
        Gives the present snapshot, for a worker that has just connected.
    on_session : callable
        Told ``(replica_id, worker, state, reason)``.
    on_workers : callable
        Told ``(serving_count, lost_worker or None)``; a worker serves when it has applied a snapshot.
    """

    def __init__(
        self,
        worker_count: int,
        make_snapshot: Callable[[], Mapping[str, Any]],
        on_session: OnSession,
        on_workers: OnWorkers,
    ) -> None:
        self._worker_count = worker_count
        self._make_snapshot = make_snapshot
        self._on_session = on_session
        self._on_workers = on_workers
        self._workers: dict[int, _Worker] = {}
        self._listeners: dict[str, list[Listener]] = {kind: [] for kind in LISTENED}
        self._greeters: list[Callable[[int], None]] = []
        self._changed = Broadcast()
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen on ``path``; a socket that an earlier incarnation left there is replaced."""
        self._server = await asyncio.start_unix_server(self._serve, sock=_listen(path), limit=_MAX_LINE_BYTES)

    async def close(self) -> None:
        """Stop listening and drop every connection; the workers serve on from their last snapshot."""
        if self._server is not None:
            self._server.close()
        for worker in self._workers.values():
            worker.writer.close()

    @property
    def workers(self) -> tuple[tuple[int, int, int], ...]:
        """``(worker, pid, applied revision)`` of each connected worker."""
        return tuple((worker.index, worker.pid, worker.applied) for worker in self._workers.values())

    @property
    def rpc_addresses(self) -> tuple[str, ...]:
        """Where the connected workers take containers, in the workers' order."""
        return tuple(self._workers[index].rpc_address for index in sorted(self._workers))

    async def publish(self, snapshot: Mapping[str, Any], apply_limit_us: int) -> None:
        """Send ``snapshot`` to every worker, and return when all of them have applied it.

        Raises
        ------
        InvalidArgumentError
            A worker refused it for a value that somebody gave.
        ServerError
            A worker refused it for another reason.
        UnavailableError
            A worker is not connected, or has not answered, within ``apply_limit_us``. It gets the snapshot when it
            comes back.
        """
        revision = Revision(snapshot["revision"])
        for worker in list(self._workers.values()):
            self._send(worker, snapshot)

        def is_applied() -> bool:
            for worker in self._workers.values():
                if worker.failed == revision:
                    if worker.is_caller_error:
                        raise InvalidArgumentError(worker.error)
                    raise ServerError(f"frontend worker {worker.index} refused the change: {worker.error}")
            return sum(worker.applied >= revision for worker in self._workers.values()) >= self._worker_count

        if not await self._changed.wait_until(is_applied, apply_limit_us):
            missing = [index for index in range(self._worker_count) if not self._has_applied(index, revision)]
            raise UnavailableError(
                f"frontend worker {', '.join(map(str, missing))} did not apply revision {revision} within "
                f"{apply_limit_us / 1e6:g} s; the change is registered and takes effect when the worker is back",
                hint="see the log of the frontend",
            )

    def listen(self, kind: str, listener: Listener) -> None:
        """Hand messages of one of the `LISTENED` kinds to ``listener(worker, message)``.

        A message that it cannot read (LookupError, TypeError, ValueError, `ProtocolError`) ends the connection.
        """
        self._listeners[kind].append(listener)

    def greet(self, greeter: Callable[[int], None]) -> None:
        """Call ``greeter(worker)`` when a worker has connected, and its snapshot is on its way."""
        self._greeters.append(greeter)

    def tell(self, worker: int, message: Mapping[str, Any]) -> None:
        """Send a message to one worker, if it is connected."""
        if worker in self._workers:
            self._send(self._workers[worker], message)

    def tell_all(self, message: Mapping[str, Any]) -> None:
        """Send a message to all workers."""
        for worker in list(self._workers.values()):
            self._send(worker, message)

    def tell_gone(self, replica_id: ReplicaId) -> None:
        """Tell all workers, at once, that the process of a replica has died."""
        self.tell_all({"type": "replica_gone", "replica_id": replica_id})

    def tell_drain(self, replica_id: ReplicaId) -> None:
        """Tell all workers to give a replica no more work, and to close its session when its batches are done."""
        self.tell_all({"type": "drain_replica", "replica_id": replica_id})

    # -- connections -------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        worker: _Worker | None = None
        try:
            worker = _read_hello(_decode(await reader.readline()), writer)
            self._welcome(worker)
            while line := await reader.readline():
                self._on_message(worker, _decode(line))
        except (ProtocolError, KeyError, TypeError, ValueError) as error:
            _logger.error("frontend worker %s broke the control protocol: %r", worker and worker.index, error)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the worker is gone, or management is being stopped: either way the connection ends
        finally:
            if worker is not None and self._is_connected(worker):
                del self._workers[worker.index]
                self._on_workers(self._serving_count, worker.index)
                self._changed.notify()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _welcome(self, worker: _Worker) -> None:
        earlier = self._workers.get(worker.index)
        if earlier is not None:  # its end has not been noticed yet
            earlier.writer.close()
            del self._workers[worker.index]
            self._on_workers(self._serving_count, worker.index)
        self._workers[worker.index] = worker
        self._send(worker, self._make_snapshot())
        for greeter in self._greeters:
            greeter(worker.index)
        self._changed.notify()

    def _on_message(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "applied":
                is_first, worker.applied = worker.applied < 0, int(message["revision"])
                if is_first:
                    self._on_workers(self._serving_count, None)
            case "apply_failed":
                worker.failed, worker.error = int(message["revision"]), str(message["error"])
                worker.is_caller_error = bool(message.get("is_caller_error", False))
            case "replica":
                if message["state"] not in REPORTED_STATES:
                    raise ProtocolError(f"{message['state']!r} is no state of a replica")
                replica_id = ReplicaId(message["replica_id"])
                self._on_session(replica_id, worker.index, message["state"], str(message.get("reason", "")))
            case kind if kind in self._listeners:
                for listener in self._listeners[kind]:
                    listener(worker.index, message)
                return  # nobody waits for these
            case unknown:
                raise ProtocolError(f"{unknown!r} is no message type")
        self._changed.notify()

    def _send(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        worker.writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        if worker.writer.transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            _logger.error("frontend worker %d does not read: cutting the connection", worker.index)
            worker.writer.transport.abort()

    @property
    def _serving_count(self) -> int:
        return sum(worker.applied >= 0 for worker in self._workers.values())

    def _is_connected(self, worker: _Worker) -> bool:
        return self._workers.get(worker.index) is worker

    def _has_applied(self, index: int, revision: Revision) -> bool:
        return index in self._workers and self._workers[index].applied >= revision


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


def _decode(line: bytes) -> dict[str, Any]:
    message = json.loads(line) if line else None
    if not isinstance(message, dict):
        raise ProtocolError("a line is not a JSON object")
    return message


def _read_hello(message: Mapping[str, Any], writer: asyncio.StreamWriter) -> _Worker:
    if message.get("type") != "hello":
        raise ProtocolError(f"the first message is {message.get('type')!r}, not 'hello'")
    return _Worker(int(message["worker"]), int(message["pid"]), str(message["rpc_address"]), writer)
