"""A client of the query port for harnesses that look at every answer: predictions, and feedback on them.

One connection of an event loop, kept alive; several requests may be sent at once and are answered in order.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

OK: Final = 200
ANSWER_LIMIT_US: Final = 60_000_000  # an answer that takes longer will not come


def port_of(url: str) -> int:
    """Return the port of a URL that has one."""
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"no port in {url}")
    return port


class QueryPortError(Exception):
    """The query port answered what a harness cannot go on from; the message quotes it."""


@dataclass(frozen=True)
class Answer:
    """Status and JSON body of a response."""

    status: int
    body: dict[str, Any]

    def or_raise(self) -> dict[str, Any]:
        """Return the body of a 200.

        Raises
        ------
        QueryPortError
            It is another status.
        """
        if self.status != OK:
            raise QueryPortError(f"status {self.status}: {json.dumps(self.body)}")
        return self.body


def request(path: str, body: dict[str, Any]) -> bytes:
    """Return the bytes of a POST."""
    content = json.dumps(body, separators=(",", ":")).encode()
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(content), content)


def predict(application: str, values: Sequence[float], context: str | None = None) -> bytes:
    """Return the request for a prediction."""
    body: dict[str, Any] = {"input": list(values)}
    if context is not None:
        body["context"] = context
    return request(f"/{application}/predict", body)


def update(application: str, query_id: int, label: Any) -> bytes:
    """Return the request that tells the true label of a query."""
    return request(f"/{application}/update", {"query_id": query_id, "label": label})


class QueryConnection:
    """A keep-alive connection to a query port on this machine. Use as ``async with``."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)  # it may have ended already

    async def exchange(self, *requests: bytes) -> list[Answer]:
        """Send requests at once and return their answers, in order.

        Raises
        ------
        QueryPortError
            The connection ended, or an answer did not come within ANSWER_LIMIT_US.
        """
        self._writer.write(b"".join(requests))
        try:
            async with asyncio.timeout(ANSWER_LIMIT_US / 1e6):
                return [await self._read() for _ in requests]
        except (OSError, EOFError, TimeoutError) as error:
            raise QueryPortError(f"no answer: {type(error).__name__} {error}") from error

    async def _read(self) -> Answer:
        head = await self._reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        body = await self._reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
        return Answer(int(head[9:12]), json.loads(body))
