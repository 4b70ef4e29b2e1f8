"""One worker's whole data path on a loop in a thread, with no control channel and no timers but its own.

Nothing ticks unless a test calls ``tick``: no heartbeat wakes the loop, so a message that waited for another wake-up
would wait for good. ``stop`` checks that nothing is left: queries, slots, connections.
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import uvloop
import zmq

from clipper._core.http_limits import HttpLimits
from clipper._core.http_protocol import HttpProtocol
from clipper._core.route_table import Route
from clipper._core.rpc_transport import RpcTransport
from clipper._core.rpc_unix import UnixTransport
from clipper._core.rpc_zmq import ZmqTransport
from clipper.config import CoreConfig, LogConfig
from clipper.frontend.health import Readiness, healthz
from clipper.frontend.learning import Learning
from clipper.frontend.metrics import MetricsPage, WorkerCounts
from clipper.frontend.snapshots import SnapshotApplier
from clipper.frontend.wiring import build_core
from tests.support.http_responses import Response, parse_responses, post
from tests.support.http_server_thread import read_all, read_responses_bytes
from tests.support.puppet_container import PuppetContainer, ServingPuppet
from tests.support.recording_channel import RecordingChannel

WAIT_S = 10.0
LONG_SLO_US = 20_000_000  # never reached in a test that passes


def application(name: str = "app", models: Sequence[str] = ("m",), **changes: Any) -> dict[str, Any]:
    """Describe an application as management does."""
    described: dict[str, Any] = {
        "name": name,
        "input_type": "doubles",
        "dtype": None,
        "shape": None,
        "default_output": '"default"',
        "latency_slo_us": LONG_SLO_US,
        "max_slo_us": LONG_SLO_US,
        "on_miss": "default",
        "policy": {"name": "static" if len(models) == 1 else "majority"},
        "models": list(models),
        "cache": True,
        "cache_ttl_us": 0,
    }
    return {**described, **changes}


def model(name: str = "m", versions: Sequence[str] = ("1",), **changes: Any) -> dict[str, Any]:
    """Describe a model whose batches hold all that waits, its first version being the current one."""
    described: dict[str, Any] = {
        "input_type": "doubles",
        "controller": "fixed",
        "batch_size": 1024,
        "max_batch_size": 0,
        "labels": [],
    }
    return {
        "name": name,
        "current_version": versions[0],
        "versions": [{**described, **changes, "version": version} for version in versions],
    }


class Pending:
    """A request that is on its way."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client

    def response(self) -> Response:
        """Wait for the one answer and close."""
        with self.client:
            (response,) = parse_responses(read_responses_bytes(self.client, 1))
            return response

    def is_answered(self, within_s: float = 0.0) -> bool:
        """Is an answer there?"""
        self.client.settimeout(max(within_s, 0.000_001))
        try:
            return bool(self.client.recv(1, socket.MSG_PEEK))
        except (TimeoutError, BlockingIOError):
            return False
        finally:
            self.client.settimeout(WAIT_S)


class Closable(Protocol):
    """What is closed when the data path ends."""

    def close(self) -> None: ...


class DataPath:
    """Serves on a free port until stopped; containers connect by the transport that is named."""

    def __init__(self, options: CoreConfig, limits: HttpLimits, transport: str = "unix") -> None:
        self.run_dir = Path(tempfile.mkdtemp(prefix="clipper-test-"))
        self.address = f"ipc://{self.run_dir}/rpc-0.sock"
        makers: dict[str, Callable[[], list[RpcTransport]]] = {
            "unix": lambda: [UnixTransport(self.address)],
            "zmq": lambda: [ZmqTransport(zmq.Context.instance(), self.address)],
            "both": lambda: [
                UnixTransport(self.address),
                ZmqTransport(zmq.Context.instance(), "tcp://127.0.0.1:*"),  # without keys, as no real one is
            ],
        }
        self._make_transports = makers[transport]
        self.errors: list[dict[str, Any]] = []
        self.snapshots: SnapshotApplier
        self.reports: list[tuple[str, str, str]] = []  # replica id, state, reason
        self.on_report: Callable[[str, str], object] = lambda _replica_id, _state: None  # on the loop's thread
        self.puppets: list[Closable] = []
        self._revision = 0
        self._options, self._limits = options, limits
        self._is_ready = threading.Event()
        self._protocols_before = _count_protocols()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()), daemon=True)
        self._thread.start()
        if not self._is_ready.wait(WAIT_S):
            raise RuntimeError("the data path did not start")

    async def _serve(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self._stop = asyncio.Event()
        self.core = build_core(
            loop,
            worker=0,
            transports=self._make_transports(),
            find_model=lambda name, version: self.snapshots.find_model(name, version),
            on_replica=self._report,
            options=self._options,
            limits=self._limits,
        )
        self.channel = RecordingChannel()
        self.learning = Learning(self.core, self.channel, log_dir=self.run_dir, logs=LogConfig(), worker=0)
        metrics = MetricsPage(
            lambda: WorkerCounts(self.core, self.snapshots, self.learning).slices(), self.core.server.flush
        )
        self.snapshots = SnapshotApplier(
            self.core,
            [
                (b"/healthz", Route("healthz", healthz)),
                (b"/readyz", Route("readyz", lambda method, query: Readiness(self.snapshots)(method, query))),
                (b"/metrics", Route("metrics", metrics, answers_later=True)),
            ],
            self.learning,
        )
        listener = await loop.create_server(self.core.server.protocol_factory, "127.0.0.1", 0, backlog=1024)
        self.port: int = listener.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._stop.wait()
        listener.close()
        self.core.server.abort_all()
        self.core.rpc.close()
        loop.remove_reader(self.core.timer.file_descriptor)
        self.core.timer.close()
        await asyncio.sleep(0)

    def _report(self, replica_id: str, _model: str, _version: str, state: str, reason: str) -> None:
        self.reports.append((replica_id, state, reason))
        self.on_report(replica_id, state)

    # -- control -----------------------------------------------------------------------------------------------------

    def call(self, function: Callable[[], Any]) -> Any:
        """Run a function on the loop's thread."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(WAIT_S)

    def apply(self, applications: Sequence[Mapping[str, Any]], models: Sequence[Mapping[str, Any]]) -> None:
        """Swap a snapshot in."""
        self._revision += 1
        snapshot = {"revision": self._revision, "applications": applications, "models": models}
        self.call(lambda: self.snapshots.apply(snapshot))

    def tick(self, ahead_us: int = 0) -> None:
        """Do the housekeeping's looks, as if time went on to later by this much; they come in time, as they should."""

        def look() -> None:
            now_us = time.monotonic_ns() // 1_000
            interval_us = self.core.rpc.liveness.look_interval_us
            for later_us in [*range(0, ahead_us, interval_us), ahead_us]:
                self.core.rpc.tick(now_us + later_us)

        self.call(look)

    def wait_until(self, condition: Callable[[], Any], limit_s: float = WAIT_S) -> None:
        """Wait until the condition holds on the loop's thread."""
        give_up = time.monotonic() + limit_s
        while not self.call(condition):
            if time.monotonic() > give_up:
                raise AssertionError(f"the condition did not come to hold; replicas: {self.reports}")
            time.sleep(0.002)

    def figures(self, name: str = "m", version: str = "1") -> dict[str, Any]:
        """Return the counters of a model version."""

        def read() -> Any:
            found = self.snapshots.find_model(name, version)
            return {} if found is None else found.figures()

        return dict(self.call(read))

    def application_figures(self, name: str = "app") -> dict[str, Any]:
        """Return the counters of an application."""
        return dict(self.call(lambda: self.snapshots.applications[name].stats.figures()))

    # -- containers --------------------------------------------------------------------------------------------------

    def puppet(self, **registration: str) -> PuppetContainer:
        """Return a container that is connected and nothing more."""
        puppet = PuppetContainer(self.address, **registration)
        self.puppets.append(puppet)
        return puppet

    def ready(self, name: str = "m", version: str = "1", index: int = 0, **registration: str) -> PuppetContainer:
        """Return a container that takes batches; one whose inputs have a declared shape has answered its sample."""
        replica_id = registration.pop("replica_id", f"{name}:{version}:{index}")
        puppet = self.puppet(model=name, version=version, replica_id=replica_id, **registration).start()
        self.wait_until(lambda: self.state_of(replica_id) in ("warming", "ready"))
        if self.state_of(replica_id) == "warming":
            puppet.answer(puppet.take_batch(), [0])
        self.wait_ready(replica_id)
        return puppet

    def serving(
        self,
        predict: Callable[[list[Any]], list[Any]],
        name: str = "m",
        version: str = "1",
        index: int = 0,
        **more: str,
    ) -> ServingPuppet:
        """Return a container that answers by itself."""
        replica_id = f"{name}:{version}:{index}"
        puppet = ServingPuppet(self.address, predict, model=name, version=version, replica_id=replica_id, **more)
        self.puppets.append(puppet)
        self.wait_ready(replica_id)
        return puppet

    def wait_ready(self, replica_id: str) -> None:
        """Wait until a replica takes batches."""
        self.wait_until(lambda: self.state_of(replica_id) == "ready")

    def state_of(self, replica_id: str) -> str:
        """Return the state of a session; loop's thread only."""
        replica = self.core.rpc.replicas_by_id.get(replica_id)
        return "closed" if replica is None else replica.state

    def gone(self, replica_id: str) -> None:
        """Tell the worker that a container's process has died."""
        self.call(lambda: self.core.rpc.replica_gone(replica_id))

    # -- clients -----------------------------------------------------------------------------------------------------

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), WAIT_S)

    def send(self, raw: bytes) -> Pending:
        """Send bytes on a connection of their own."""
        client = self.connect()
        client.sendall(raw)
        return Pending(client)

    def begin(self, body: Any, app: str = "app") -> Pending:
        """Send a prediction request; a body that is not bytes is made JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(post(raw, path=f"/{app}/predict".encode()))

    def ask(self, body: Any, app: str = "app") -> Response:
        """Send a prediction request and wait for the answer."""
        return self.begin(body, app).response()

    def update(self, body: Any, app: str = "app") -> Response:
        """Send feedback and wait for the answer."""
        return self.begin_update(body, app).response()

    def begin_update(self, body: Any, app: str = "app") -> Pending:
        """Send feedback; a body that is not bytes is made JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(post(raw, path=f"/{app}/update".encode()))

    def exchange(self, raw: bytes) -> bytes:
        """Send bytes, end our side, and read until the server closes."""
        with self.connect() as client:
            client.sendall(raw)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    # -- the end -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End it all; AssertionError if anything is left behind."""
        for puppet in self.puppets:
            puppet.close()
        for replica_id in self.call(lambda: list(self.core.rpc.replicas_by_id)):
            self.gone(replica_id)
        try:
            self.wait_until(lambda: self.core.server.open_connections == 0)
            # What lost its last replica is answered at its deadline at the latest; or its model goes now.
            self.apply([], [])
            self.wait_until(lambda: self.core.processor.live_queries == 0)
            left = self.call(lambda: self.core.slots.in_use)
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(WAIT_S)
            shutil.rmtree(self.run_dir, ignore_errors=True)
        if self.errors:
            raise AssertionError(f"unhandled on the loop: {self.errors}")
        if left:
            raise AssertionError(f"{left} slots are left in use")
        self.learning.files.close()
        self.core = self.snapshots = self.learning = None  # type: ignore[assignment]
        if (protocols := _count_protocols()) > self._protocols_before:
            raise AssertionError(f"{protocols - self._protocols_before} connection objects were never freed")


def ask_batches(path: DataPath, inputs: list[list[float]]) -> list[dict[str, Any]]:
    """Ask for several predictions in one request."""
    answer = path.ask({"input_batch": inputs})
    assert answer.status == 200
    return list(answer.json["batch_predictions"])


def _count_protocols() -> int:
    gc.collect()
    return sum(isinstance(thing, HttpProtocol) for thing in gc.get_objects())


@contextmanager
def data_path(options: CoreConfig | None = None, *, transport: str = "unix", **limits: int) -> Iterator[DataPath]:
    """Serve for the length of a block, with one application ``app`` over one model ``m``."""
    path = DataPath(options or CoreConfig(), HttpLimits(**limits), transport)
    path.apply([application()], [model()])
    try:
        yield path
    except BaseException:
        path._loop.call_soon_threadsafe(path._stop.set)
        path._thread.join(WAIT_S)
        for puppet in path.puppets:
            puppet.close()
        shutil.rmtree(path.run_dir, ignore_errors=True)
        raise
    path.stop()
