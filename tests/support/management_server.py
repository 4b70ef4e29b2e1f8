"""The management port in this process: real HTTP, registry and operations; containers and frontends are stand-ins.

A container's mode is ``CLIPPER_FAKE`` of its environment: ``""`` becomes ready at once, ``silent`` never, ``die`` ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from clipper.config import ClipperConfig, ListenConfig, ManagementConfig
from clipper.deploy.fleet import Fleet, FrontendLink
from clipper.deploy.manager import ContainerManager, ReplicaExit, ReplicaSpec, RunningReplica
from clipper.management.app import make_app
from clipper.management.control_channel import ControlChannel
from clipper.management.evaluations import Evaluations
from clipper.management.learning import Learning
from clipper.management.monitoring import Monitoring
from clipper.management.operations import Operations
from clipper.management.query_port import QueryPort
from clipper.management.routes.context import Context
from clipper.management.server import ManagementServer
from clipper.management.uploads import Uploads
from clipper.registry.registry import Registry
from clipper.registry.snapshot import to_snapshot
from clipper.state.memory import MemoryStore
from clipper.types import ReplicaId

START_LIMIT_S = 10
NO_ONES_PORT = 1  # where a frontend would answer queries, if there were one


class FakeManager(ContainerManager):
    """Containers that are nothing but an entry; what they print is in ``log_dir``."""

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir
        self.on_ready: Callable[[ReplicaId], None] = lambda _: None
        self._running: dict[ReplicaId, RunningReplica] = {}
        self._next_pid = 1000

    async def start_replica(self, spec: ReplicaSpec) -> RunningReplica:
        loop = asyncio.get_running_loop()
        self._next_pid += 1
        replica = self._running[spec.replica_id] = RunningReplica(spec.replica_id, self._next_pid)
        mode = spec.env.get("CLIPPER_FAKE", "")
        path = self.log_path(spec.replica_id)
        path.write_text(f"{spec.replica_id} is {mode or 'ready'}\n")
        if mode == "":
            loop.call_soon(self.on_ready, spec.replica_id)
        elif mode == "die":
            loop.call_soon(self._end, spec.replica_id, 3)
        return replica

    async def stop_replica(self, replica_id: ReplicaId, grace_us: int) -> None:
        self._end(replica_id, 0)

    def list_replicas(self) -> tuple[RunningReplica, ...]:
        return tuple(self._running.values())

    def logs(self, replica_id: ReplicaId, line_count: int) -> str:
        path = self.log_path(replica_id)
        return "\n".join(path.read_text().splitlines()[-line_count:]) if path.exists() else ""

    def log_path(self, replica_id: ReplicaId) -> Path:
        return self.log_dir / f"{replica_id.replace(':', '_')}.log"

    def _end(self, replica_id: ReplicaId, code: int) -> None:
        if self._running.pop(replica_id, None) is not None:
            self.events.on_exit(ReplicaExit(replica_id, code))


class ManagementInThread:
    """One management server; everything of it runs on the loop of one thread."""

    def __init__(self, config: ClipperConfig, worker_count: int) -> None:
        self.config = config
        self.worker_count = worker_count
        self.url = config.listen.management_url

    def run(self, listener: socket.socket, started: Future[None]) -> None:
        """Serve until `stop`, on a new loop."""
        asyncio.run(self._serve(listener, started))

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call something on the loop, and return what it returns."""
        result: Future[Any] = Future()

        def work() -> None:
            try:
                result.set_result(function(*arguments))
            except Exception as error:  # noqa: BLE001  # it is the caller's
                result.set_exception(error)

        self.loop.call_soon_threadsafe(work)
        return result.result(START_LIMIT_S)

    def stop(self) -> None:
        """Begin the orderly end."""
        self.loop.call_soon_threadsafe(setattr, self.server, "should_exit", True)

    async def _serve(self, listener: socket.socket, started: Future[None]) -> None:
        config = self.config
        self.loop = asyncio.get_running_loop()
        self.registry = Registry(MemoryStore())
        self.manager = FakeManager(config.log_dir)
        self.fleet = Fleet(
            config.management,
            FrontendLink(lambda: ["ipc:///nowhere"], lambda _: None, self._drain),
            self.manager,
        )
        self.manager.on_ready = lambda replica_id: self.fleet.on_session(replica_id, 0, "ready", "")
        self.channel = ControlChannel(
            self.worker_count,
            lambda: to_snapshot(self.registry.state, self.learning.plan_of),
            self.fleet.on_session,
            self.fleet.on_workers,
        )
        self.learner_store = MemoryStore()
        self.learning = Learning(self.learner_store, self.channel, config.management.learner_flush_interval_us)
        self.operations = Operations(config, self.registry, self.channel, self.fleet, self.learning)
        self.uploads = Uploads(config.staging_dir, config.management)
        query_port = QueryPort(config)
        self.monitoring = Monitoring(
            self.operations,
            self.fleet.table.has_ready,
            lambda: self.learning.follow(self.registry.state, tells_plans=True),
            self.learning.keep,
        )
        self.learning.listen(self.monitoring)
        self.learning.exclude(self.monitoring.excluded_arms)
        evaluations = Evaluations(config)
        parts = (self.channel, self.fleet, self.uploads, self.learning, query_port, self.monitoring, evaluations)
        context = Context(config, self.operations, *parts)
        self.app = make_app(context)
        self.server = ManagementServer(self.app, config.management, self.operations.close)
        self.fleet.on_workers(1)
        works = [asyncio.create_task(work) for work in (self.fleet.run(), self.learning.run(), self.monitoring.run())]
        started.set_result(None)
        try:
            await self.server.serve(sockets=[listener])
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            await self.learning.close()
            await query_port.close()

    def _drain(self, replica_id: ReplicaId) -> None:
        self.fleet.on_session(replica_id, 0, "closed", "")


@contextlib.contextmanager
def management_server(run_dir: Path, *, worker_count: int = 0, **limits: Any) -> Iterator[ManagementInThread]:
    """Serve a management port on a free port.

    Parameters
    ----------
    worker_count : int
        Frontend workers that changes wait for; none ever comes.
    limits : int
        Fields of `ManagementConfig`.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    options: dict[str, Any] = {"containers": {"fake": ("true",)}, "ready_limit_us": 20_000_000, **limits}
    config = ClipperConfig(run_dir, management=ManagementConfig(**options))
    config = replace(config, listen=ListenConfig(query_port=NO_ONES_PORT, management_port=listener.getsockname()[1]))
    for directory in (config.log_dir, config.staging_dir):
        directory.mkdir(parents=True)
    management = ManagementInThread(config, worker_count)
    started: Future[None] = Future()
    thread = threading.Thread(target=management.run, args=(listener, started), daemon=True)
    thread.start()
    try:
        started.result(START_LIMIT_S)
        yield management
    finally:
        management.stop()
        thread.join(START_LIMIT_S)
        listener.close()
        assert not thread.is_alive(), "the management server did not end"


@contextlib.contextmanager
def client_of(management: ManagementInThread) -> Iterator[httpx.Client]:
    """Return a client of the port; bounded, and without the environment's proxies."""
    with httpx.Client(base_url=management.url, trust_env=False, timeout=20) as client:
        yield client


def api_document() -> dict[str, Any]:
    """Return the OpenAPI document, without a server."""
    config = ClipperConfig(Path("/nowhere"))
    nothing: Any = None
    document: dict[str, Any] = make_app(Context(config, *[nothing] * 8)).openapi()
    return document
