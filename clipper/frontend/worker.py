"""One frontend worker: a loop, the data path on it, and the control channel beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from dataclasses import dataclass

import uvloop

from clipper._core.route_table import Route
from clipper.config import ClipperConfig
from clipper.errors import CallerError, ClipperError
from clipper.frontend.control import ControlClient, Message
from clipper.frontend.health import Readiness, healthz
from clipper.frontend.learning import Learning
from clipper.frontend.metrics import MetricsPage, WorkerCounts
from clipper.frontend.rpc_endpoints import RpcEndpoints
from clipper.frontend.snapshots import SnapshotApplier
from clipper.frontend.warm_start import WarmStart
from clipper.frontend.wiring import build_core, http_limits
from clipper.security.certificates import listen_options, server_certificate

_log = logging.getLogger("clipper.frontend")
_queries = logging.getLogger("clipper.query")
_SWEEP_INTERVAL_US = 500_000


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What the supervisor tells a worker.

    Parameters
    ----------
    worker : int
        Its number, 0 to 15.
    query_fd : int
        The listening socket for queries, bound by the supervisor.
    config : ClipperConfig
        That of the instance; its run directory has the sockets.
    """

    worker: int
    query_fd: int
    config: ClipperConfig


class Worker:
    """Runs until SIGTERM; then answers what is in flight and ends."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._stop = asyncio.Event()
        config = options.config
        self._certificate = server_certificate(config.security)
        self._endpoints = RpcEndpoints(config, options.worker)
        self.rpc_address = self._endpoints.local_address
        self.core = build_core(
            asyncio.get_running_loop(),
            worker=options.worker,
            transports=self._endpoints.transports,
            find_model=lambda name, version: self.snapshots.find_model(name, version),
            on_replica=self._on_replica,
            options=config.core,
            limits=http_limits(config.http),
            sessions=config.rpc,
        )
        self._endpoints.start(asyncio.get_running_loop())
        self.core.processor.log.misses_per_second = config.logs.misses_per_second
        self.core.processor.log.traces_per_second = config.logs.traces_per_second
        self.control = ControlClient(config.control_socket_path, self._hello, self._handle)
        self.learning = Learning(
            self.core, self.control, log_dir=config.log_dir, logs=config.logs, worker=options.worker
        )
        self.snapshots = SnapshotApplier(self.core, self._operations_routes(), self.learning)
        limit_us = config.frontend.warm_start_limit_us
        self._warm_start = WarmStart(self.snapshots, self.core.rpc, limit_us, self._stop.is_set)

    def _operations_routes(self) -> list[tuple[bytes, Route]]:
        # The handlers read `self` when they are called: the snapshots that they report on are made after them.
        metrics = MetricsPage(
            lambda: WorkerCounts(self.core, self.snapshots, self.learning).slices(), self.core.server.flush
        )
        return [
            (b"/healthz", Route("healthz", healthz)),
            (b"/readyz", Route("readyz", lambda method, query: Readiness(self.snapshots)(method, query))),
            (b"/metrics", Route("metrics", metrics, answers_later=True)),
        ]

    async def run(self) -> int:
        """Serve; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        listener = socket.socket(fileno=self._options.query_fd)
        listener.setblocking(False)
        config = self._options.config
        tasks = [
            asyncio.create_task(self.control.run()),
            asyncio.create_task(self._housekeep()),
            asyncio.create_task(self.learning.run()),
        ]
        await self._warm_start.wait()
        # It calls listen() again: with the loop's own backlog of 100 a restart would lose whoever waits beyond that.
        server = await loop.create_server(
            self.core.server.protocol_factory,
            sock=listener,
            backlog=config.listen.backlog,
            **listen_options(self._certificate, config.http.linger_timeout_us),
        )
        rpc = " and ".join(transport.address for transport in self._endpoints.transports)
        _log.info("worker %d serves on %s, RPC on %s", self._options.worker, listener.getsockname(), rpc)
        await self._stop.wait()
        server.close()
        await self._drain()
        await self.learning.end()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.core.rpc.close()
        self._endpoints.close()
        return 0

    def _end(self) -> None:
        self._stop.set()
        self._warm_start.look_again()

    async def _drain(self) -> None:
        server = self.core.server
        idle = asyncio.Event()
        server.begin_drain(idle.set)
        try:
            await asyncio.wait_for(idle.wait(), self._options.config.frontend.drain_limit_us / 1e6)
        except TimeoutError:
            _log.warning("%d requests were still open when the drain time was over", server.open_requests)

    async def _housekeep(self) -> None:
        """What no query pays for: looks at replicas, idle and slow connections, a renewed certificate."""
        swept_us = 0
        while True:
            await asyncio.sleep(self.core.rpc.liveness.look_interval_us / 1e6)
            now_us = time.monotonic_ns() // 1_000
            try:
                self.core.rpc.tick(now_us)
                if now_us - swept_us < _SWEEP_INTERVAL_US:
                    continue
                swept_us = now_us
                self.core.server.sweep(now_us)
                self._tell_suppressed(now_us)
                if self._certificate is not None:
                    self._certificate.refresh()
            except Exception:  # noqa: BLE001 - without the next beats every container would be given up
                _log.exception("housekeeping failed; it goes on at the next beat")

    def _tell_suppressed(self, now_us: int) -> None:
        """Say how many missed queries were not logged one by one."""
        for name, application in self.snapshots.applications.items():
            for reason, count in application.stats.take_suppressed(now_us).items():
                if count:
                    facts = {"application": name, "reason": reason, "suppressed": count}
                    _queries.warning("more queries got no prediction than are logged one by one", extra=facts)

    # -- the control channel -----------------------------------------------------------------------------------------

    def _hello(self) -> list[Message]:
        self.learning.observations.reconnected()
        hello = {"type": "hello", "worker": self._options.worker, "pid": os.getpid(), "rpc_address": self.rpc_address}
        replicas = [
            _replica_message(replica.replica_id, replica.model.name, replica.model.version, replica.state, "")
            for replica in self.core.rpc.replicas_by_id.values()
        ]
        return [hello, *replicas]

    def _on_replica(self, replica_id: str, model: str, version: str, state: str, reason: str) -> None:
        facts = {"replica_id": replica_id, "model": f"{model}:{version}"}
        _log.info("replica %s is %s%s", replica_id, state, f": {reason}" if reason else "", extra=facts)
        self.control.send(_replica_message(replica_id, model, version, state, reason))
        self._warm_start.look_again()

    def _handle(self, message: Message) -> Message | None:
        kind = message.get("type")
        if kind == "snapshot":
            answer = self._apply(message)
            self.learning.observations.keep(self.learning.streams.all)
            self._warm_start.look_again()
            return answer
        if kind == "observed":
            self.learning.observations.acknowledge(message)
            return None
        if kind == "replica_gone":
            self.core.rpc.replica_gone(message["replica_id"])
        elif kind == "drain_replica":
            self.core.rpc.drain_replica(message["replica_id"])
        elif kind == "plans":
            self.snapshots.take_plans(message)
        else:
            _log.warning("management sent a message of unknown type %r", kind)
        return None

    def _apply(self, snapshot: Message) -> Message:
        try:
            self.snapshots.apply(snapshot)
        except (ClipperError, KeyError, TypeError, ValueError) as error:
            is_caller_error = isinstance(error, CallerError)
            level = logging.INFO if is_caller_error else logging.ERROR
            revision = snapshot.get("revision", 0)
            _log.log(level, "snapshot %s was refused: %s", revision, error, exc_info=not is_caller_error)
            return {
                "type": "apply_failed",
                "revision": revision,
                "error": str(error) if is_caller_error else f"{type(error).__name__}: {error}",
                "is_caller_error": is_caller_error,
            }
        return {"type": "applied", "revision": snapshot["revision"]}


def _replica_message(replica_id: str, model: str, version: str, state: str, reason: str) -> Message:
    who = {"replica_id": replica_id, "model": model, "version": version}
    return {"type": "replica", **who, "state": state, "reason": reason}


def run_worker(options: WorkerOptions) -> int:
    """Run one worker in this process until SIGTERM; returns its exit code."""

    async def main() -> int:
        return await Worker(options).run()

    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
    return 0
