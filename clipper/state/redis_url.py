"""Where a Redis server is: ``redis://[[user]:password@]host[:port][/db][?prefix=...]``, ``rediss://`` with TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from clipper.errors import InvalidArgumentError

DEFAULT_PORT: Final = 6379
DEFAULT_PREFIX: Final = "clipper"
SCHEMES: Final = ("redis", "rediss")

_PREFIX: Final = re.compile(r"[-_.:A-Za-z0-9]{1,63}")
_MAX_DATABASE: Final = 2**31 - 1
_FORM: Final = "redis://[:password@]host:port/db[?prefix=name]; special characters of a password are %-encoded"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A server, one of its numbered databases, and the prefix that keeps several instances of Clipper apart in it."""

    host: str
    port: int = DEFAULT_PORT
    database: int = 0
    prefix: str = DEFAULT_PREFIX
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_tls: bool = False

    @property
    def url(self) -> str:
        """The address as it may be shown: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "rediss" if self.is_tls else "redis"
        return f"{scheme}://{host}:{self.port}/{self.database}?prefix={self.prefix}"

    def without_password(self, text: str) -> str:
        """Return ``text`` with the password blotted out, should some library have put it there."""
        return text.replace(self.password, "***") if self.password else text


def parse_redis_url(url: str) -> RedisAddress:
    """Return the address that ``url`` names.

    Raises
    ------
    InvalidArgumentError
        It has another form; the error quotes no part of it, since any may be a piece of a password.
    """
    try:
        parts = urlsplit(url)
        port = DEFAULT_PORT if parts.port is None else parts.port
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise _bad("it cannot be taken apart") from None  # the cause may quote the password
    prefix = query.pop("prefix", DEFAULT_PREFIX)
    database = parts.path.removeprefix("/") or "0"
    if parts.scheme not in SCHEMES or not parts.hostname or parts.fragment:
        raise _bad("it does not name a host")
    if not re.fullmatch(r"[0-9]{1,10}", database) or int(database) > _MAX_DATABASE:
        raise _bad("its database is no number")
    if query:
        raise _bad("it has parameters besides prefix")
    if not _PREFIX.fullmatch(prefix):
        raise _bad("its prefix is not made of 1 to 63 letters, digits, '-', '_', '.' and ':'")
    return RedisAddress(
        host=parts.hostname,
        port=port,
        database=int(database),
        prefix=prefix,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        is_tls=parts.scheme == "rediss",
    )


def _bad(cause: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"the URL of the state in Redis is not valid: {cause}", hint=f"expected {_FORM}")
