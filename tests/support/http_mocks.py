"""An HTTP server without sockets and without time: manual clock, manual loop, transports that record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from clipper._core.http_limits import HttpLimits
from clipper._core.http_protocol import HttpProtocol
from clipper._core.http_request import PyPredictHandler
from clipper._core.http_server import HttpServer
from clipper._core.route_table import Route, RouteTable
from tests.support.http_responses import Response, parse_responses

Answer = tuple[int, bytes] | None
START_US = 1_000_000_000


class ManualClock:
    """Time stands still until it is moved."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us


class ManualLoop:
    """A loop whose turns are run by hand."""

    def __init__(self) -> None:
        self._ready: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        self._ready.append((callback, args))

    def run_turn(self) -> None:
        """Run what was scheduled until nothing is."""
        while self._ready:
            ready, self._ready = self._ready, []
            for callback, args in ready:
                callback(*args)


class MockTransport:
    """Records what a protocol does to it; takes everything unless `takes_bytes` is False."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.waiting_bytes = 0
        self.takes_bytes = True
        self.reading = True
        self.closed = False
        self.aborted = False
        self.eof_written = False

    def write(self, data: bytes) -> None:
        if self.closed:
            raise AssertionError("write after close")
        self.writes.append(data)
        if not self.takes_bytes:
            self.waiting_bytes += len(data)

    def pause_reading(self) -> None:
        if not self.reading:
            raise AssertionError("paused twice")
        self.reading = False

    def resume_reading(self) -> None:
        if self.reading:
            raise AssertionError("resumed twice")
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof_written = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True
        self.aborted = True

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)


class MockClient:
    """One connection of a MockServer."""

    def __init__(self, server: MockServer) -> None:
        self._loop = server.loop
        self.transport = MockTransport()
        self.protocol = cast(HttpProtocol, server.server.protocol_factory())
        self.protocol.connection_made(cast(asyncio.BaseTransport, self.transport))

    def send(self, *chunks: bytes) -> None:
        """Deliver each chunk in a loop turn of its own, as a transport does while reading is not paused."""
        for chunk in chunks:
            self.protocol.data_received(chunk)
            self._loop.run_turn()

    def send_in_one_turn(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.protocol.data_received(chunk)
        self._loop.run_turn()

    def lose(self) -> None:
        """The connection breaks."""
        self.transport.closed = True
        self.protocol.connection_lost(ConnectionResetError())

    @property
    def responses(self) -> list[Response]:
        return parse_responses(self.transport.written)

    @property
    def statuses(self) -> list[int]:
        return [response.status for response in self.responses]

    @property
    def is_cut(self) -> bool:
        """The server has ended its side."""
        return self.transport.closed or self.transport.eof_written


def echo(name: str, body: bytes, is_binary: bool, clipper_batch: int) -> Answer:
    """Answer at once with what was understood."""
    understood = (len(body), is_binary, clipper_batch, sum(body))
    return 200, b'{"bytes": %d, "binary": %d, "batch": %d, "sum": %d}' % understood


def defer(name: str, body: bytes, is_binary: bool, clipper_batch: int) -> Answer:
    """Leave the answer to the test."""
    return None


def fail(name: str, body: bytes, is_binary: bool, clipper_batch: int) -> Answer:
    raise RuntimeError("on purpose")


def plain_routes() -> RouteTable:
    def broken(method: bytes, query: bytes) -> tuple[int, bytes, bytes]:
        raise RuntimeError("on purpose")

    return RouteTable(
        [
            (b"/app/predict", Route("predict", "app", is_predict=True)),
            (b"/metrics", Route("metrics", lambda method, query: (200, b"text/plain", b"metrics " + query))),
            (b"/large", Route("large", lambda method, query: (200, b"text/plain", b"x" * int(query)))),
            (b"/broken", Route("broken", broken)),
        ]
    )


class MockServer:
    """An HttpServer on a manual loop and clock."""

    def __init__(
        self,
        answer: Callable[[str, bytes, bool, int], Answer] = echo,
        routes: Callable[[], RouteTable] = plain_routes,
        **limits: int,
    ) -> None:
        self.clock = ManualClock()
        self.loop = ManualLoop()
        self.handler = PyPredictHandler(answer)
        loop: Any = self.loop
        self.server = HttpServer(loop, HttpLimits(**limits), self.handler, routes(), clock_us=self.clock)

    def connect(self) -> MockClient:
        client = MockClient(self)
        self.loop.run_turn()
        return client

    def answer(self, ticket: int, body: bytes = b"{}") -> None:
        """Answer a deferred query, as a result that arrives in a turn of its own."""
        self.handler.respond(ticket, 200, body)
        self.server.flush()
        self.loop.run_turn()

    def sweep_after(self, elapsed_us: int) -> None:
        """Move the clock and sweep."""
        self.clock.now_us += elapsed_us
        self.server.sweep(self.clock.now_us)
        self.loop.run_turn()
