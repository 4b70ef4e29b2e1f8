"""The token in front of the management API, as ASGI sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from clipper.errors import InvalidArgumentError
from clipper.management.authentication import TokenAuthentication
from clipper.security.secret_files import WatchedFile
from clipper.security.tokens import TokenSet, read_token_set

TOKEN, OTHER = "t" * 40, "o" * 40
Header = tuple[bytes, bytes]


async def inner(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def ask(
    app: TokenAuthentication, headers: Iterable[Header] = (), path: str = "/api/v1/status", kind: str = "http"
) -> Any:
    """Return all that was sent; the body of the request must not be asked for."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("a stranger's body is read")

    asyncio.run(app({"type": kind, "path": path, "headers": list(headers)}, receive, send))
    return sent


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(TOKEN)
    return path


@pytest.fixture
def app(token_file: Path) -> TokenAuthentication:
    return TokenAuthentication(inner, WatchedFile(token_file, read_token_set).value)


def bearer(token: str, scheme: str = "Bearer") -> list[Header]:
    return [(b"authorization", f"{scheme} {token}".encode())]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_right_token_passes(app: TokenAuthentication, scheme: str) -> None:
    assert ask(app, bearer(TOKEN, scheme))[1]["body"] == b"in"


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ([], "carries no token"),
        ([(b"x-token", TOKEN.encode())], "carries no token"),
        (bearer(OTHER), "is not accepted"),
        (bearer(""), "is not accepted"),
        (bearer(TOKEN + "t"), "is not accepted"),
        ([(b"authorization", b"Bearer \xff\xfe")], "is not accepted"),
        (bearer(TOKEN, "Basic"), "no single bearer token"),
        ([(b"authorization", TOKEN.encode())], "no single bearer token"),
        (bearer(TOKEN) * 2, "no single bearer token"),
        (bearer(OTHER) + bearer(TOKEN), "no single bearer token"),
    ],
)
def test_request_without_the_right_token_is_401_and_says_why(
    app: TokenAuthentication, headers: list[Header], cause: str
) -> None:
    start, body = ask(app, headers)
    answer = json.loads(body["body"])
    assert start["status"] == 401
    assert (b"www-authenticate", b'Bearer realm="clipper"') in start["headers"]
    assert answer["error"] == "unauthorized" and cause in answer["cause"] and answer["hint"]
    assert TOKEN not in body["body"].decode() and OTHER not in body["body"].decode()


def test_liveness_is_open_and_nothing_beside_it(app: TokenAuthentication) -> None:
    assert ask(app, path="/healthz")[1]["body"] == b"in"
    for path in ("/healthz/", "/healthz/../api/v1/status", "/docs", "/openapi.json", "/", "/Healthz", "//healthz"):
        assert ask(app, path=path)[0]["status"] == 401


def test_websocket_of_a_stranger_is_closed_and_the_life_of_the_server_passes(app: TokenAuthentication) -> None:
    assert ask(app, kind="websocket") == [{"type": "websocket.close", "code": 1008}]
    assert ask(app, kind="lifespan")[1]["body"] == b"in"


def test_rotated_token_is_accepted_at_once_and_the_removed_one_no_more(
    app: TokenAuthentication, token_file: Path
) -> None:
    token_file.write_text(f"{OTHER}\n{TOKEN}\n")
    assert [ask(app, bearer(token))[0]["status"] for token in (TOKEN, OTHER)] == [200, 200]
    token_file.write_text(f"{OTHER}\n")
    assert [ask(app, bearer(token))[0]["status"] for token in (TOKEN, OTHER)] == [401, 200]


def test_token_file_that_became_unusable_lets_nobody_in(app: TokenAuthentication, token_file: Path) -> None:
    token_file.chmod(0o644)
    start, body = ask(app, bearer(TOKEN))
    assert start["status"] == 503
    assert json.loads(body["body"])["error"] == "unavailable"
    assert str(token_file) not in body["body"].decode()


def test_tokens_that_cannot_be_told_let_nobody_in() -> None:
    def broken() -> TokenSet:
        raise InvalidArgumentError("gone")

    assert ask(TokenAuthentication(inner, broken), bearer(TOKEN))[0]["status"] == 503
