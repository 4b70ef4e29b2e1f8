"""A real HttpServer on uvloop in a thread, and raw sockets to talk to it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import uvloop

from clipper._core.http_limits import HttpLimits
from clipper._core.http_request import PyPredictHandler
from clipper._core.http_server import HttpServer
from tests.support.http_mocks import Answer, echo, plain_routes

SOCKET_TIMEOUT_S = 10.0
SWEEP_INTERVAL_S = 0.05


class ServerThread:
    """Serves on a free port until stopped; `call` runs a function on the loop's thread."""

    def __init__(
        self,
        answer: Callable[[str, bytes, bool, int], Answer],
        limits: HttpLimits,
        listen: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.handler = PyPredictHandler(answer)
        self.errors: list[dict[str, Any]] = []
        self._limits = limits
        self._listen = listen
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()), daemon=True)
        self._thread.start()
        if not self._ready.wait(SOCKET_TIMEOUT_S):
            raise RuntimeError("the server did not start")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda loop, context: self.errors.append(context))
        self._stop = asyncio.Event()
        self.server = HttpServer(self._loop, self._limits, self.handler, plain_routes())
        self.listener = await self._loop.create_server(
            self.server.protocol_factory, "127.0.0.1", 0, backlog=1024, **self._listen
        )
        self.port: int = self.listener.sockets[0].getsockname()[1]
        self._ready.set()
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), SWEEP_INTERVAL_S)
            except TimeoutError:
                self.server.sweep(time.monotonic_ns() // 1_000)
        self.listener.close()
        self.server.abort_all()
        await asyncio.sleep(0)

    def call(self, function: Callable[[], Any]) -> Any:
        done = asyncio.run_coroutine_threadsafe(_call(function), self._loop)
        return done.result(SOCKET_TIMEOUT_S)

    def answer(self, ticket: int, body: bytes = b"{}") -> None:
        def respond() -> None:
            self.handler.respond(ticket, 200, body)
            self.server.flush()

        self.call(respond)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait, within the socket timeout, until the condition holds on the loop's thread."""
        give_up = time.monotonic() + SOCKET_TIMEOUT_S
        while not self.call(condition):
            if time.monotonic() > give_up:
                raise AssertionError("the condition did not come to hold")
            time.sleep(0.005)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), SOCKET_TIMEOUT_S)

    def exchange(self, *chunks: bytes) -> bytes:
        """Send, then read until the server closes; the client's side stays open."""
        with self.connect() as client:
            for chunk in chunks:
                client.sendall(chunk)
            return read_all(client)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SOCKET_TIMEOUT_S)


async def _call(function: Callable[[], Any]) -> Any:
    return function()


@contextmanager
def serving(
    answer: Callable[[str, bytes, bool, int], Answer] = echo,
    *,
    listen: Mapping[str, Any] = MappingProxyType({}),
    **limits: int,
) -> Iterator[ServerThread]:
    """Serve for the length of a block; an unhandled error on the loop fails the test.

    Parameters
    ----------
    listen : mapping, optional
        More arguments of ``loop.create_server``.
    """
    thread = ServerThread(answer, HttpLimits(**limits), listen)
    try:
        yield thread
    finally:
        thread.stop()
    if thread.errors:
        raise AssertionError(f"unhandled on the loop: {thread.errors}")


def read_all(client: socket.socket) -> bytes:
    """Read until the server ends its side."""
    received = b""
    while piece := client.recv(65_536):
        received += piece
    return received


def read_responses_bytes(client: socket.socket, responses: int) -> bytes:
    """Read until this many bodies with Content-Length are there."""
    received = b""
    while True:
        rest, complete = received, 0
        while complete < responses:
            head, separator, rest = rest.partition(b"\r\n\r\n")
            length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0)
            if not separator or len(rest) < length:
                break
            rest = rest[length:]
            complete += 1
        else:
            return received
        piece = client.recv(65_536)
        if not piece:
            raise AssertionError(f"closed after {received!r}")
        received += piece
