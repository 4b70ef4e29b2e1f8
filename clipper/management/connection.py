"""One connection of the management port: uvicorn's protocol, with a bound on what a client may use up.

What the framework never sees is answered here, as JSON like everything else: a request that is no HTTP, one whose
headers are too long or too slow, one connection too many. How a body is bounded stands in `request_limits`.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from clipper.config import ManagementConfig
from clipper.management.answers import error_bytes

# How long a refused client may take to read why, before what it still sends resets the connection (RFC 9112 9.6).
_LINGER_S: Final = 1.0


class LimitedProtocol(HttpToolsProtocol):
    """Runs on management's event loop; subclassed once for each server, by `limited_protocol`."""

    limits = ManagementConfig()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.timeout_keep_alive = self.limits.idle_limit_us / 1e6  # type: ignore[assignment]  # call_later takes both
        self._head_bytes = 0  # received, of a head that is not complete
        self._is_in_head = True
        self._is_refused = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX:
            # asyncio does so only where it knows the socket's protocol: else each answer, whose head and body are two
            # writes, waits 40 ms for the client's delayed acknowledgement.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        most = self.limits.max_connections
        if len(self.connections) > 2 * most:
            transport.abort()  # not even a reason for each of a flood
        elif len(self.connections) > most:
            self._refuse(
                503, "overloaded", f"the management port has {most} connections already",
                "try again later; the limit is max_connections",
            )  # fmt: skip
        else:
            self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        if self._is_in_head:
            self._start_head_timer()
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > self.limits.max_head_bytes:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._cancel_head_timer()
        head_bytes = len(self.parser.get_method()) + len(self.url) + len(b"  HTTP/1.1\r\n\r\n")
        head_bytes += sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        if head_bytes > self.limits.max_head_bytes:
            self._refuse_head()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_refused:
            super().on_message_complete()
            self._is_in_head = True
            self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad_request", "this is no HTTP/1.1 request", "speak HTTP to this port")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.limits.write_limit_us / 1e6, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_write_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        self._cancel_write_timer()
        super().connection_lost(exc)

    def _on_slow_head(self) -> None:
        self._head_timer = None
        if self._head_bytes == 0:
            self.transport.close()  # it has asked nothing
            return
        self._refuse(
            408, "request_timeout", f"the headers were not complete within {self.limits.head_limit_us / 1e6:g} s",
            "the limit is head_limit_us",
        )  # fmt: skip

    def _refuse_head(self) -> None:
        self._refuse(
            431, "headers_too_large", f"the request's line and headers are longer than {self.limits.max_head_bytes} "
            "bytes", "the limit is max_head_bytes",
        )  # fmt: skip

    def _refuse(self, status: int, code: str, cause: str, hint: str) -> None:
        """Answer below the framework, and close; the framework's answer to an earlier request may be under way."""
        if self._is_refused:
            return
        self._is_refused = True
        self._cancel_head_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()
            return
        body = error_bytes(code, cause, hint)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_limit_us / 1e6, self._on_slow_head)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def limited_protocol(config: ManagementConfig) -> type[LimitedProtocol]:
    """Return the protocol with the limits of ``config``; uvicorn takes a class."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": config})
