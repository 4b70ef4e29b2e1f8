"""An HTTP server that does next to nothing, on uvloop: `python -m bench.subjects.servers.uvloop_server PORT ANSWER`."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


class ConstantAnswer(asyncio.Protocol):
    """Counts the bytes of each request and writes the answer when it is whole."""

    def __init__(self, response: bytes) -> None:
        self.response = response
        self.head = b""
        self.body_bytes_left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast(
            asyncio.WriteTransport, transport
        )  # uvloop's is one, but derives from no class of asyncio

    def data_received(self, data: bytes) -> None:
        """Requests come one after another on a connection: the load generators do not pipeline."""
        if self.body_bytes_left:
            self.body_bytes_left -= len(data)
        else:
            self.head += data
            end = self.head.find(HEAD_END)
            if end < 0:
                return
            start = self.head[:end].lower().index(LENGTH) + len(LENGTH)
            length = int(self.head[start : self.head.index(b"\r\n", start)])
            self.body_bytes_left = end + len(HEAD_END) + length - len(self.head)
            self.head = b""
        if self.body_bytes_left == 0:
            self.transport.write(self.response)


async def main() -> None:
    answer = sys.argv[2].encode("ascii")
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
    response = head.encode("ascii") + answer
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ConstantAnswer(response), "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
