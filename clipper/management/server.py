"""The HTTP server of the management port: uvicorn, with our limits, and an end that keeps nobody waiting."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn

from clipper.config import ManagementConfig
from clipper.management.connection import limited_protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class ManagementServer(uvicorn.Server):
    """Leaves signals to its user: uvicorn would raise SIGTERM anew after its shutdown, and the exit code be -15.

    Parameters
    ----------
    on_shutdown : callable
        Called before the connections are drained: ends what would go on for ever, such as followed logs.
    """

    def __init__(self, app: ASGIApp, config: ManagementConfig, on_shutdown: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app, http=limited_protocol(config), ws="none", lifespan="off", log_config=None, access_log=False,
                server_header=False, timeout_graceful_shutdown=3,
            )
        )  # fmt: skip
        self._on_shutdown = on_shutdown

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_shutdown()
        await super().shutdown(sockets)
