"""``python -m clipper.management``: the management process, spawned by the supervisor."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clipper.config import ClipperConfig, LogConfig, read_config
from clipper.deploy.choose import make_manager
from clipper.deploy.device_inventory import find_devices
from clipper.deploy.fleet import Fleet, FrontendLink
from clipper.errors import ClipperError, StartError
from clipper.logs import start_logging
from clipper.management.app import make_app
from clipper.management.control_channel import ControlChannel
from clipper.management.evaluations import Evaluations
from clipper.management.guard import Guard
from clipper.management.learning import Learning
from clipper.management.monitoring import Monitoring
from clipper.management.monitoring_setup import document_key
from clipper.management.operations import Operations
from clipper.management.query_port import QueryPort
from clipper.management.routes.context import Context
from clipper.management.server import ManagementServer
from clipper.management.settling import keep_settled
from clipper.management.uploads import Uploads
from clipper.registry.registry import Registry
from clipper.registry.snapshot import to_snapshot
from clipper.state.open import LEARNER, open_store
from clipper.state.store import StateStore
from clipper.supervisor.orphans import MARK_VARIABLE
from clipper.types import ReplicaId

_logger = logging.getLogger(__name__)
_LEARNER_HINT = "restore it from a backup, or move it away: learning begins anew then, and nothing else is lost"


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and serve until SIGTERM, or until the supervisor is gone."""
    parser = argparse.ArgumentParser(prog="clipper.management", description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--management-fd", type=int, required=True, help="the listening socket")
    parser.add_argument("--supervisor-fd", type=int, required=True, help="our end of the supervisor's socket pair")
    options = parser.parse_args(arguments)
    start_logging(LogConfig(), "management")
    try:
        config = read_config(options.run_dir)
        start_logging(config.logs, "management")
        guard = Guard.read(config.security)
        registry = Registry(_open_state(config))
        learner_store = _open_state(config, LEARNER)
    except ClipperError as error:
        _logger.critical("%s", error)
        return os.EX_CONFIG  # nobody need try that again at once
    listener = socket.socket(fileno=options.management_fd)
    supervisor = socket.socket(fileno=options.supervisor_fd)
    try:
        asyncio.run(_serve(config, guard, registry, learner_store, listener, supervisor))
    except ClipperError as error:
        _logger.critical("%s", error)
        return os.EX_CONFIG if isinstance(error, StartError) else 1
    finally:
        registry.close()
    return 0


def _open_state(config: ClipperConfig, part: str = "") -> StateStore:
    state = config.state
    try:
        store = open_store(
            state.url,
            config.run_dir,
            part=part,
            lock_limit_us=state.lock_limit_us,
            connect_limit_us=state.connect_limit_us,
            answer_limit_us=state.answer_limit_us,
        )
    except StartError as error:
        if part != LEARNER:
            raise
        raise StartError(f"what policies have learned: {error.message}", hint=_LEARNER_HINT) from error
    _logger.info("the state%s is in %s", f" of the {part}" if part else "", store.url)
    return store


async def _serve(
    config: ClipperConfig,
    guard: Guard,
    registry: Registry,
    learner_store: StateStore,
    listener: socket.socket,
    supervisor: socket.socket,
) -> None:
    def rpc_addresses() -> tuple[str, ...]:
        # Before a worker says hello: where it will listen, so that a container need not wait for it.
        expected = tuple(f"ipc://{config.rpc_socket_path(worker)}" for worker in range(config.frontend.workers))
        return channel.rpc_addresses or expected

    def snapshot() -> dict[str, Any]:
        return to_snapshot(registry.state, learning.plan_of)

    # The channel is made after the fleet, which it calls: so these look it up when they are called.
    def tell_gone(replica_id: ReplicaId) -> None:
        channel.tell_gone(replica_id)

    def tell_drain(replica_id: ReplicaId) -> None:
        channel.tell_drain(replica_id)

    frontends = FrontendLink(rpc_addresses, tell_gone, tell_drain)
    manager = make_manager(config, os.environ.get(MARK_VARIABLE, ""))
    devices = await asyncio.to_thread(find_devices, config.management.gpu_devices)
    _logger.info("devices for versions with gpus=: %s", ", ".join(one.device_id for one in devices) or "none")
    fleet = Fleet(config.management, frontends, manager, devices)
    channel = ControlChannel(config.frontend.workers, snapshot, fleet.on_session, fleet.on_workers)
    learning = Learning(learner_store, channel, config.management.learner_flush_interval_us)
    operations = Operations(config, registry, channel, fleet, learning)
    uploads = Uploads(config.staging_dir, config.management)
    monitoring = Monitoring(
        operations,
        fleet.table.has_ready,
        lambda: learning.follow(registry.state, tells_plans=True),
        learning.keep,
        await learning.stored_documents(document_key(name) for name in registry.state.applications),
    )
    learning.listen(monitoring)
    learning.exclude(monitoring.excluded_arms)
    query_port = QueryPort(config)
    evaluations = Evaluations(config)
    context = Context(config, operations, channel, fleet, uploads, learning, query_port, monitoring, evaluations)
    server = ManagementServer(guard.before(make_app(context)), config.management, operations.close)
    guard.secure(server)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, setattr, server, "should_exit", True)
    await manager.connect(supervisor)
    operations.recover()
    await learning.follow(registry.state)
    await channel.start(config.control_socket_path)
    works = (
        *(fleet.run(), manager.serve(), uploads.sweep(), learning.run(), monitoring.run()),
        *(keep_settled(operations), guard.follow_renewals()),
    )
    background = [asyncio.create_task(work) for work in works]
    for task in background:
        # Without its supervisor or its reconcile loop this process is of no use: it ends and is started again.
        task.add_done_callback(lambda _task: setattr(server, "should_exit", True))
    try:
        await server.serve(sockets=[listener])
    finally:
        await channel.close()
        for task in background:
            task.cancel()
        results = await asyncio.gather(*background, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                _logger.error("a task of management failed", exc_info=result)
        monitoring.save_dirty()
        await learning.close()
        await query_port.close()
        await manager.close(config.supervisor.container_stop_limit_us)


if __name__ == "__main__":
    sys.exit(main())
