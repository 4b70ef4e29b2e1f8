"""URLs that the load client can reach."""

from __future__ import annotations

from urllib.parse import urlsplit

from clipper.errors import InvalidArgumentError


def split_url(url: str) -> tuple[str, int, str]:
    """Return host, port and path (with its query) of a URL.

    Raises
    ------
    InvalidArgumentError
        If it is not a URL of plain HTTP.
    """
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidArgumentError(f"{url!r} is not a URL: {error}") from None
    if parts.scheme == "https":
        raise InvalidArgumentError(
            f"{url!r} is HTTPS, which the load client does not speak, expected http://",
            hint="measure in front of what ends the TLS, or on the server's plain port",
        )
    if parts.scheme != "http":
        raise InvalidArgumentError(f"{url!r} has the scheme {parts.scheme!r}, expected http://")
    if not host or port == 0 or not host.isascii():
        raise InvalidArgumentError(f"{url!r} names no host and port, expected http://HOST:PORT/PATH")
    if parts.username is not None:
        raise InvalidArgumentError(f"{url!r} holds a user, expected a header Authorization instead")
    return host, port or 80, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
