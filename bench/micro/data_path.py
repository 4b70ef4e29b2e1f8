"""The real data path of a frontend worker in one thread, without TCP and without a loop: for counting, not for timing.

What is real: HttpProtocol, HttpServer, QueryProcessor, RpcServer and all that they call, joined by the worker's own
``build_core`` and fed by its own ``SnapshotApplier``. What is not: the loop (its turns are run by hand), the transports
(a deque takes what is written) and the containers (a puppet that answers each batch at once).

The puppet is at the other end of the real Unix socket, in the same thread: what it sends has arrived when its send
returns, so the same turn costs the same instructions each time.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from clipper._core.http_protocol import HttpProtocol
from clipper._core.rpc_unix import UnixTransport
from clipper.config import CoreConfig
from clipper.frontend.snapshots import SnapshotApplier
from clipper.frontend.wiring import build_core
from model_containers import codec, zmtp
from model_containers.wire import DType, MessageType

SLO_US = 60_000_000  # under valgrind everything takes fifty times its time; nothing may become late or be dropped
CACHE_BYTES = (
    256 << 10
)  # small, so that a short warm-up fills it: from then on each new output evicts one, as in service

Answer = Callable[[npt.NDArray[np.float64]], npt.NDArray[Any]]


class Receiver(Protocol):
    """The part of a connection that a transport calls."""

    def data_received(self, data: bytes) -> None: ...


class ManualLoop:
    """What the core asks of a loop. Turns are run by hand."""

    def __init__(self) -> None:
        self._ready: deque[Callable[[], object]] = deque()
        self._readers: dict[int, Callable[[], object]] = {}
        self._poll = select.poll()
        self.call_soon = self._ready.append

    def add_reader(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Call back when `run_readers` finds something to read."""
        self._readers[descriptor] = callback
        self._poll.register(descriptor, select.POLLIN)

    def remove_reader(self, descriptor: int) -> None:
        """Undo `add_reader`."""
        if self._readers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def add_writer(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Refuse: a batch of the measurement fits into a socket."""
        raise AssertionError("a batch did not fit into its socket")

    def remove_writer(self, descriptor: int) -> None:
        """There is none."""

    def run_readers(self) -> None:
        """Call back whoever has something to read."""
        for descriptor, _ in self._poll.poll(0):
            self._readers[descriptor]()

    def run_ready(self) -> None:
        """Run what was scheduled until nothing is."""
        while self._ready:
            self._ready.popleft()()


class RecordingTransport:
    """Keeps what is written. `write` is a builtin that seldom allocates: the transport's share of a count is small."""

    def __init__(self) -> None:
        self._written: deque[bytes] = deque()
        self.write = self._written.append

    def take(self) -> bytes:
        """Return what was written since the last call."""
        pieces = [self._written.popleft() for _ in range(len(self._written))]
        return b"".join(pieces)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        raise AssertionError("the server dropped a connection of the measurement")

    close = pause_reading = resume_reading = abort


@dataclass(frozen=True)
class PuppetModel:
    """A model of input type doubles.

    Parameters
    ----------
    answer : callable
        From inputs of shape (batch, dim) to one output an input.
    dimension : int
        What its application declares, which the binary body needs; 0 = nothing.
    """

    name: str
    answer: Answer
    dimension: int = 0


class Puppet:
    """A container within this thread: answers each batch it was sent, when it is asked to."""

    def __init__(self, path: str, model: PuppetModel) -> None:
        self._answer = model.answer
        self._reader = zmtp.MessageReader()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._socket.setblocking(False)
        self._socket.sendall(zmtp.HELLO)
        self._name = model.name

    def register(self) -> bool:
        """Take the frontend's greeting; when that has come, register and be ready."""
        self._fill()
        if not self._reader.greet():
            return False
        who: dict[str, str | int] = {
            "model": self._name, "version": "1", "replica_id": f"{self._name}:1:0", "nonce": "0123456789abcdef",
            "input_type": "doubles", "sdk": "puppet/1", "pid": 1,
        }  # fmt: skip
        self._send(codec.encode_register(who))
        self._send([codec.encode_header(MessageType.READY)])
        return True

    def answer_batches(self) -> int:
        """Answer what has come; return how many batches that was."""
        batches = 0
        while self._fill():
            while (frames := self._reader.take()) is not None:
                header = codec.decode_header(frames[0])
                if header.type != MessageType.PREDICT:
                    continue
                batches += 1
                request = codec.decode_predict(header, frames[1:])
                outputs = self._answer(cast("npt.NDArray[np.float64]", request.inputs))
                dtype = DType.INT64 if outputs.dtype == np.int64 else DType.FLOAT64
                result = codec.encode_header(
                    MessageType.RESULT, dtype=dtype, item_count=len(outputs), batch_id=header.batch_id,
                    elements_per_item=1,
                )  # fmt: skip
                self._send([result, outputs.tobytes()])
        return batches

    def _fill(self) -> bool:
        try:
            count = self._socket.recv_into(self._reader.space())
        except BlockingIOError:
            return False
        self._reader.add(count)
        return True

    def _send(self, frames: Sequence[Any]) -> None:
        parts, _ = zmtp.encode_message(frames)
        self._socket.sendmsg(parts)

    def close(self) -> None:
        self._socket.close()


class DataPath:
    """A worker's data path with one puppet a model and some open connections.

    Parameters
    ----------
    models : sequence of PuppetModel
        Each becomes a model of input type doubles, with an application of the same name.
    connections : int
        How many there are.
    """

    def __init__(self, models: Sequence[PuppetModel], connections: int) -> None:
        self._loop = ManualLoop()
        self._states: list[str] = []
        self._directory = tempfile.TemporaryDirectory(prefix="clipper-bench-")
        path = f"{self._directory.name}/rpc.sock"
        self._core = build_core(
            cast(asyncio.AbstractEventLoop, self._loop),
            worker=0,
            transports=[UnixTransport(f"ipc://{path}")],
            find_model=lambda name, version: self._snapshots.find_model(name, version),
            on_replica=lambda replica_id, model, version, state, reason: self._states.append(state),
            options=CoreConfig(cache_bytes=CACHE_BYTES),
        )
        self._snapshots = SnapshotApplier(self._core, [])
        self._snapshots.apply(_snapshot(models))
        self._puppets = [Puppet(path, model) for model in models]
        waiting = list(self._puppets)
        while waiting:
            self._loop.run_readers()
            waiting = [puppet for puppet in waiting if not puppet.register()]
        self._loop.run_readers()  # REGISTER and READY of all: in one thread they have arrived when send returns
        self._finish_turn()
        if self._states.count("ready") != len(models):
            raise RuntimeError(f"the puppets' sessions went through {self._states}: not all of them are ready")
        self._transports = [RecordingTransport() for _ in range(connections)]
        self._protocols = [self._connect(transport) for transport in self._transports]

    def _connect(self, transport: RecordingTransport) -> Receiver:
        protocol = cast(HttpProtocol, self._core.server.protocol_factory())
        protocol.connection_made(cast(asyncio.BaseTransport, transport))
        self._loop.run_ready()
        return protocol

    def turn(self, requests: Iterable[bytes]) -> list[bytes]:
        """Deliver one request to each of the first connections in one turn of the loop; return the whole answers."""
        used = 0
        for protocol, request in zip(self._protocols, requests, strict=False):
            protocol.data_received(request)
            used += 1
        self._finish_turn()
        return [transport.take() for transport in self._transports[:used]]

    def _finish_turn(self) -> None:
        self._loop.run_ready()
        while sum(puppet.answer_batches() for puppet in self._puppets):
            self._loop.run_readers()
            self._loop.run_ready()

    def close(self) -> None:
        """Give sockets back."""
        self._core.rpc.close()
        for puppet in self._puppets:
            puppet.close()
        self._core.timer.close()
        self._directory.cleanup()


def _snapshot(models: Sequence[PuppetModel]) -> dict[str, Any]:
    version = {
        "version": "1",
        "input_type": "doubles",
        "controller": "aimd",
        "batch_size": 0,
        "max_batch_size": 0,
        "labels": [],
    }
    return {
        "type": "snapshot",
        "revision": 1,
        "models": [{"name": model.name, "current_version": "1", "versions": [version]} for model in models],
        "applications": [
            {
                "name": model.name, "input_type": "doubles", "dtype": "float64" if model.dimension else None,
                "shape": [model.dimension] if model.dimension else None, "default_output": json.dumps("none"),
                "latency_slo_us": SLO_US, "max_slo_us": SLO_US, "on_miss": "default", "policy": {"name": "static"},
                "models": [model.name], "cache": True, "cache_ttl_us": 0,
            }
            for model in models
        ],
    }  # fmt: skip
