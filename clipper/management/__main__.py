"""``python -m clipper.management``: the management process, spawned by the supervisor."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import uvicorn

from clipper.config import ClipperConfig, LogConfig, read_config
from clipper.deploy.fleet import Fleet, FrontendLink
from clipper.deploy.process import ProcessManager
from clipper.errors import ClipperError
from clipper.logs import start_logging
from clipper.management.app import make_app
from clipper.management.control_channel import ControlChannel
from clipper.management.operations import Operations
from clipper.management.routes.context import Context
from clipper.registry.registry import Registry
from clipper.registry.snapshot import to_snapshot
from clipper.state.sqlite import SqliteStore
from clipper.types import ReplicaId

STATE_FILE_NAME: Final = "state.sqlite"
_logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Leaves signals to `_serve`: uvicorn would raise SIGTERM anew after its shutdown, and the exit code be -15."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


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
        registry = Registry(SqliteStore(config.run_dir / STATE_FILE_NAME))
    except ClipperError as error:
        _logger.critical("%s", error)
        return 1
    listener = socket.socket(fileno=options.management_fd)
    supervisor = socket.socket(fileno=options.supervisor_fd)
    try:
        asyncio.run(_serve(config, registry, listener, supervisor))
    finally:
        registry.close()
    return 0


async def _serve(config: ClipperConfig, registry: Registry, listener: socket.socket, supervisor: socket.socket) -> None:
    def rpc_addresses() -> tuple[str, ...]:
        # Before a worker says hello: where it will listen, so that a container need not wait for it.
        expected = tuple(f"ipc://{config.rpc_socket_path(worker)}" for worker in range(config.frontend.workers))
        return channel.rpc_addresses or expected

    # The channel is made after the fleet, which it calls: so these look it up when they are called.
    def tell_gone(replica_id: ReplicaId) -> None:
        channel.tell_gone(replica_id)

    def tell_drain(replica_id: ReplicaId) -> None:
        channel.tell_drain(replica_id)

    frontends = FrontendLink(rpc_addresses, tell_gone, tell_drain)
    manager = ProcessManager(config.log_dir)
    fleet = Fleet(config.management, frontends, manager)
    channel = ControlChannel(
        config.frontend.workers, lambda: to_snapshot(registry.state), fleet.on_session, fleet.on_workers
    )
    operations = Operations(config, registry, channel, fleet)
    context = Context(operations, channel, fleet, str(config.run_dir), str(config.staging_dir), config.listen.query_url)
    server = _Server(
        uvicorn.Config(
            make_app(context), log_config=None, access_log=False, timeout_graceful_shutdown=3, lifespan="off"
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, setattr, server, "should_exit", True)
    await manager.connect(supervisor)
    operations.recover()
    await channel.start(config.control_socket_path)
    background = [asyncio.create_task(fleet.run()), asyncio.create_task(manager.serve())]
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


if __name__ == "__main__":
    sys.exit(main())
