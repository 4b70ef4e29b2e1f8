"""An HTTP server over sockets that answers each request with its body, and misbehaves as a test asks."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class KnownServer:
    """What it does wrong is set before it serves."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []  # instead of the body, in turn
        self.statuses = [b"200 OK"]  # in turn
        self.stall_at = 0  # before the answer to this request, counted from 1, the whole server stands still
        self.stall_s = 0.0
        self.delay_s = 0.0  # of each answer
        self.hangs_up_every = 0
        self.resets_every = 0
        self.is_silent_every = 0  # such requests are never answered
        self.is_chunked = False
        self.goes_away_at = 0  # at this request it hangs up and listens no more
        self.seen: list[bytes] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 1  # nobody's, until it serves
        self.writers: set[asyncio.StreamWriter] = set()
        self.listening: asyncio.Server | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.writers.add(writer)
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
                body = await reader.readexactly(int(lengths[0].split()[1])) if lengths else b""
                self.heads.append(head)
                self.seen.append(body)
                if not await self._answer(writer, len(self.seen), body):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, number: int, body: bytes) -> bool:
        def is_turn(every: int) -> bool:
            return every > 0 and number % every == 0

        if number == self.stall_at:
            time.sleep(self.stall_s)  # noqa: ASYNC251 - a stall of the whole process is what is wanted
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.goes_away_at and number >= self.goes_away_at:
            if self.listening is not None:
                self.listening.close()
            return False
        if is_turn(self.resets_every):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if is_turn(self.hangs_up_every):
            return False
        if is_turn(self.is_silent_every):
            return True
        answer = self.answers[number % len(self.answers)] if self.answers else body
        status = self.statuses[number % len(self.statuses)]
        if self.is_chunked:
            half = len(answer) // 2
            parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (answer[:half], answer[half:]) if part)
            writer.write(b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (status, parts[:7]))
            await asyncio.sleep(0)
            writer.write(parts[7:] + b"0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(answer), answer))
        return True


@contextmanager
def serving(server: KnownServer, host: str = "127.0.0.1") -> Iterator[KnownServer]:
    """Serve from a thread of its own while the block runs."""
    started, stop = threading.Event(), threading.Event()

    async def main() -> None:
        listening = await asyncio.start_server(server.serve, host, 0, backlog=512, limit=1 << 24)
        server.listening = listening
        server.port = listening.sockets[0].getsockname()[1]
        started.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        listening.close()
        while any(task is not asyncio.current_task() for task in asyncio.all_tasks()):
            for writer in list(server.writers):
                writer.transport.abort()  # whoever still reads from it sees its end
            await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        stop.set()
        thread.join()
