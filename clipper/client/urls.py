"""The two base URLs of an instance, as this process reaches them."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

from clipper.errors import InvalidArgumentError

_SCHEMES: Final = ("http", "https")
_EXAMPLE: Final = "for example http://127.0.0.1:1338"


def check_url(name: str, url: object) -> str:
    """Return a base URL without its trailing slash.

    Raises
    ------
    InvalidArgumentError
        It is none, or holds a password: tokens go by ``token``.
    """
    if not isinstance(url, str):
        raise InvalidArgumentError(f"{name}={url!r} is not valid: expected a URL", hint=_EXAMPLE)
    pieces = urlsplit(url)
    if pieces.password is not None or pieces.username is not None:
        raise InvalidArgumentError(f"{name} holds a user or a password, which Clipper does not use", hint="give token=")
    if pieces.scheme not in _SCHEMES or not pieces.hostname or _port(pieces) == 0:
        raise InvalidArgumentError(f"{name}={url!r} is not valid: expected http:// or https://", hint=_EXAMPLE)
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine by a loopback address or as localhost."""
    return _is_loopback(urlsplit(url).hostname or "")


def reachable_query_url(told: str, management_url: str) -> str:
    """Return the query URL that the server told, on the host by which its management was reached.

    A server that listens on every address, or that was reached from another machine, knows no name of its own that
    means anything here.
    """
    query, management = urlsplit(told), urlsplit(management_url)
    host, reached = query.hostname or "", management.hostname or ""
    if not _is_unspecified(host) and not (_is_loopback(host) and not _is_loopback(reached)):
        return told.rstrip("/")
    port = _port(query)
    bracketed = f"[{reached}]" if ":" in reached else reached
    return query._replace(netloc=bracketed if port is None else f"{bracketed}:{port}").geturl().rstrip("/")


def local_url(url: str) -> str:
    """Return a URL that this machine listens on as it is reached from here: every address is also the loopback's."""
    pieces = urlsplit(url)
    if not _is_unspecified(pieces.hostname or ""):
        return url
    host = "[::1]" if ":" in (pieces.hostname or "") else "127.0.0.1"
    return pieces._replace(netloc=f"{host}:{pieces.port}").geturl()


def _port(pieces: SplitResult) -> int | None:
    try:
        return pieces.port
    except ValueError:
        return 0


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
