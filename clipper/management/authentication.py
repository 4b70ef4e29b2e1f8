"""The bearer token in front of the management API, as ASGI middleware that looks at the head of a request only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from clipper.errors import InvalidArgumentError, UnauthorizedError, UnavailableError
from clipper.security.tokens import TokenSet

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# What asks whether this process is up has no token; the answer tells nothing else.
_OPEN_PATHS: Final = frozenset({"/healthz"})
_WEBSOCKET_POLICY_VIOLATION: Final = 1008


class TokenAuthentication:
    """Lets a request pass that carries ``Authorization: Bearer TOKEN``, and answers every other one with 401.

    Parameters
    ----------
    tokens : callable
        Gives the tokens that are accepted now; raises InvalidArgumentError if that cannot be told, and then every
        request is answered with 503.
    """

    def __init__(self, app: ASGIApp, tokens: Callable[[], TokenSet]) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or one event of the server's life, which passes."""
        if scope["type"] == "http":
            refusal = None if scope["path"] in _OPEN_PATHS else self._refusal(scope)
            if refusal is not None:
                await _refuse(refusal, send)
                return
        elif scope["type"] == "websocket" and self._refusal(scope) is not None:
            await send({"type": "websocket.close", "code": _WEBSOCKET_POLICY_VIOLATION})
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> UnauthorizedError | UnavailableError | None:
        """Return why the request does not pass; None if it does."""
        credentials = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        try:
            tokens = self._tokens()
        except InvalidArgumentError:
            return UnavailableError(
                "the token file of this Clipper cannot be used now, so no request is let in",
                hint="its operator finds the reason in logs/management.log",
            )
        if not credentials:
            return UnauthorizedError(
                "this request carries no token", hint="send the header 'Authorization: Bearer TOKEN'"
            )
        scheme, _, token = credentials[0].partition(b" ")
        if len(credentials) != 1 or scheme.lower() != b"bearer":
            return UnauthorizedError(
                "the Authorization of this request is no single bearer token",
                hint="send the header 'Authorization: Bearer TOKEN' once",
            )
        if not tokens.accepts(token.strip(b" ")):
            return UnauthorizedError(
                "the token of this request is not accepted here", hint="is it of another Clipper, or has it changed?"
            )
        return None


async def _refuse(refusal: UnauthorizedError | UnavailableError, send: Send) -> None:
    body = json.dumps({"error": refusal.code, "cause": refusal.message, "hint": refusal.hint}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),  # nobody reads the body of a stranger's request
    ]
    if isinstance(refusal, UnauthorizedError):
        headers.append((b"www-authenticate", b'Bearer realm="clipper"'))
    await send({"type": "http.response.start", "status": refusal.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
