import asyncio

from typing_extensions import disjoint_base

from clipper._core.http_request import HttpConnection
from clipper._core.http_server import HttpServer

@disjoint_base
class AnsweringConnection(HttpConnection):
    """The answering side of a connection: order of answers, flow control, time limits. Base of the protocol."""

    def __init__(self, server: HttpServer) -> None: ...
    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def abort(self) -> None:
        """Drop the connection, whatever waits to be written."""
