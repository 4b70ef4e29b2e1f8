"""A TCP proxy that is a bad network: it cuts, falls silent, hands on byte by byte, hardly reads, or says its own.

Between a client and the query port, on the loop of whoever runs it. What a connection suffers is its `Fault`. One that
fell silent stays open towards the server, as that of a host that lost its power, until `drop_silent`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Final

WHOLE_BYTES: Final = 1 << 16
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the end of the connection is a reset


@dataclass(frozen=True)
class Fault:
    """What one connection suffers.

    Parameters
    ----------
    before : bytes
        Said to the server before anything of the client's.
    step_bytes : int
        Handed on at a time, in a packet of its own.
    window_bytes : int
        Receive buffer towards the server, which is what its window comes from; 0 = the system's.
    request_bytes, answer_bytes : int, optional
        The connection ends when so many of them have passed.
    is_silent : bool
        The end is that nothing comes any more; else it is a reset, on both sides.
    """

    before: bytes = b""
    step_bytes: int = WHOLE_BYTES
    window_bytes: int = 0
    request_bytes: int | None = None
    answer_bytes: int | None = None
    is_silent: bool = False


class FaultProxy:
    """Listens on a free port; `async with` starts and ends it.

    Parameters
    ----------
    port : int
        Of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._faults: dict[int, Fault] = {}  # by the client's port, which is told before it connects
        self._silent: list[socket.socket] = []
        self._running: set[asyncio.Task[None]] = set()
        self._listener = _stream()

    async def __aenter__(self) -> FaultProxy:
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(socket.SOMAXCONN)
        self._accepting = asyncio.create_task(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (self._accepting, *self._running):
            task.cancel()
        await asyncio.gather(self._accepting, *self._running, return_exceptions=True)
        self._listener.close()
        self.drop_silent()

    async def connect(self, fault: Fault) -> socket.socket:
        """Return a client's connection that suffers this fault."""
        client = _stream()
        client.bind(("127.0.0.1", 0))
        self._faults[client.getsockname()[1]] = fault
        await asyncio.get_running_loop().sock_connect(client, self._listener.getsockname())
        return client

    def drop_silent(self) -> None:
        """Forget the connections that fell silent."""
        for silent in self._silent:
            silent.close()
        self._silent.clear()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, address = await loop.sock_accept(self._listener)
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.create_task(self._serve(client, self._faults.pop(address[1])))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _serve(self, client: socket.socket, fault: Fault) -> None:
        loop = asyncio.get_running_loop()
        server = _stream()
        if fault.window_bytes:  # before it connects, for the handshake tells the window; the kernel doubles it
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, fault.window_bytes // 2)
        has_failed = True
        try:
            await loop.sock_connect(server, ("127.0.0.1", self._server_port))
            await loop.sock_sendall(server, fault.before)
            has_failed = await _hand_on_both(client, server, fault)
        except OSError:
            pass  # one of the two has ended it before
        finally:
            if has_failed and fault.is_silent:
                self._silent.append(server)
            else:
                for end in (server, client):
                    if has_failed:
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                server.close()
            client.close()


async def _hand_on_both(client: socket.socket, server: socket.socket, fault: Fault) -> bool:
    """Hand on in both directions until both have ended; True if the fault came first."""
    waiting = {
        asyncio.create_task(_hand_on(client, server, fault.step_bytes, fault.request_bytes)),
        asyncio.create_task(_hand_on(server, client, fault.step_bytes, fault.answer_bytes)),
    }
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            were_cut = [direction.result() for direction in done]  # of all: each may have failed
            if any(were_cut):
                return True
        return False
    finally:
        for direction in waiting:
            direction.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _hand_on(source: socket.socket, sink: socket.socket, step_bytes: int, limit_bytes: int | None) -> bool:
    """Hand on until the end, which is handed on as well; True if the limit came first."""
    loop = asyncio.get_running_loop()
    left = limit_bytes
    while left is None or left > 0:
        data = await loop.sock_recv(source, WHOLE_BYTES)
        if not data:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
            return False
        if left is not None:
            data = data[:left]
            left -= len(data)
        for at in range(0, len(data), step_bytes):
            await loop.sock_sendall(sink, data[at : at + step_bytes])
    return True


def _stream() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setblocking(False)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened
