"""What every request passes before its route: its body is bounded in size and time, and comes from no foreign page."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipper.config import ManagementConfig
from clipper.management.answers import error_answer

UPLOAD_PATH: Final = "/api/v1/files"
CLOSE: Final[Mapping[str, str]] = {"Connection": "close"}
_LINGER_S: Final = 1.0
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyTooLargeError(Exception):
    """A body is longer than its limit."""


class BodyTooSlowError(Exception):
    """A body did not come in time."""


class ClientGoneError(Exception):
    """The client left before the end of its body."""


class RequestLimits:
    """ASGI middleware: reads the whole body, bounded, and hands it on; uploads read their own (`upload_chunks`).

    A body that is refused is not read to its end: the connection is closed behind the answer.
    """

    def __init__(self, app: ASGIApp, config: ManagementConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _lingering(receive, send)
        if scope["path"] == UPLOAD_PATH:
            await self._app(scope, receive, send)
            return
        config = self._config
        try:
            body = await self._read(scope, receive)
        except BodyTooLargeError:
            await too_large("max_request_bytes", config.max_request_bytes)(scope, receive, send)
        except BodyTooSlowError:
            await too_slow(config.body_limit_us)(scope, receive, send)
        except ClientGoneError:
            return
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        require_length(scope, self._config.max_request_bytes)
        body = bytearray()
        try:
            async with asyncio.timeout(self._config.body_limit_us / 1e6):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    body += message.get("body", b"")
                    if len(body) > self._config.max_request_bytes:
                        raise BodyTooLargeError
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise BodyTooSlowError from None


def require_length(scope: Scope, most_bytes: int) -> None:
    """Refuse a body that says itself that it is too long, before it is read.

    Raises
    ------
    BodyTooLargeError
        Its Content-Length is above ``most_bytes``.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > most_bytes:  # the parser checked the form
            raise BodyTooLargeError


def _lingering(receive: Receive, send: Send) -> Send:
    """Return a ``send`` that, behind an answer that closes the connection, reads on for a moment.

    The client may still be sending its body, and a connection that is closed with something unread is reset: the reset
    may overtake the answer (RFC 9112 9.6).
    """
    closes = False

    async def send_and_linger(message: Message) -> None:
        nonlocal closes
        if message["type"] == "http.response.start":
            closes = (b"connection", b"close") in message.get("headers", [])
        if not closes or message["type"] != "http.response.body" or message.get("more_body", False):
            await send(message)
            return
        await send({**message, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b""})

    return send_and_linger


def too_large(limit_name: str, limit_bytes: int) -> JSONResponse:
    """Return the answer to a body that is too long."""
    return error_answer(
        413, "payload_too_large", f"the body is longer than {limit_bytes} bytes", f"the limit is {limit_name}", CLOSE
    )


def too_slow(limit_us: int) -> JSONResponse:
    """Return the answer to a body that did not come in time."""
    return error_answer(
        408, "request_timeout", f"the body was not complete within {limit_us / 1e6:g} s", "the limit is body_limit_us",
        CLOSE,
    )  # fmt: skip


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body that was read, and then waits for the client to leave."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


class TrustedCaller:
    """ASGI middleware: refuses what a web page asks for that is none of ours.

    A page may rebind its own name to this address, and then sends that name as ``Host``; or it posts across sites, and
    then the browser names the page's site in ``Origin``. To a port on loopback, which needs no token, these are the
    only guards: the calls of the original system take a body of any Content-Type.

    Parameters
    ----------
    allowed_hosts : sequence of str
        Names and addresses, without port and brackets, by which callers know this port.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (answer := self._refusal(scope)) is not None:
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if re.sub(r":\d*$", "", host).strip("[]") not in self._allowed_hosts:
            hint = f"allowed: {', '.join(sorted(self._allowed_hosts))}"
            return error_answer(400, "bad_request", f"the header Host is {host!r}, which is no name of this port", hint)
        origin = headers.get(b"origin")
        if origin is not None and scope["method"] not in _READS and _authority(origin) != host:
            return error_answer(403, "forbidden", "a web page of another site asks for a change", "send no Origin")
        return None


def _authority(origin: bytes) -> str:
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower()
    except ValueError:
        return ""


class HeadAsGet:
    """ASGI middleware: HEAD is answered wherever GET is, with the same headers and no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        is_answered = False

        async def send_head(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                is_answered = True

        async def receive_until_answered() -> Message:
            # A stream without end stops when its client is gone.
            return {"type": "http.disconnect"} if is_answered else await receive()

        get: dict[str, Any] = {**scope, "method": "GET"}
        await self._app(get, receive_until_answered, send_head)
