"""Where the registry is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from clipper.config.option import OptionError, check, duration, option

_FORMS: Final = (
    "'memory:', 'sqlite:PATH', 'redis://[:password@]host[:port][/db][?prefix=name]' (rediss: with TLS), or nothing"
)
# Keeps the instances of Clipper apart that share one database.
_PREFIX: Final = re.compile(r"prefix=[-_.:A-Za-z0-9]{1,63}")
_DATABASE: Final = re.compile(r"/?|/[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class StateConfig:
    """The state store: applications, models, versions and links, as they survive a restart."""

    url: str = option(
        "",
        "where the registry is kept: `memory:`, `sqlite:PATH` or `redis://...`; empty = an SQLite file in run_dir",
        form=_FORMS,
        has_secret=True,
    )
    lock_limit_us: int = duration(1_000_000, "a change waits this long for another process that holds the SQLite file")
    connect_limit_us: int = duration(1_000_000, "a connection to Redis must be there within this", minimum=1)
    answer_limit_us: int = duration(2_000_000, "Redis must answer within this", minimum=1)

    def __post_init__(self) -> None:
        check(self)
        if not _is_state_url(self.url):
            # No part of what was to be a Redis URL is shown: any may be a piece of a password.
            raise OptionError("url", "(hidden)", _FORMS, hint="special characters of a password are %-encoded")

    def __repr__(self) -> str:
        limits = f"{self.lock_limit_us=}, {self.connect_limit_us=}, {self.answer_limit_us=}".replace("self.", "")
        return f"StateConfig(url={without_password(self.url)!r}, {limits})"  # it may come to stand in a log


def without_password(url: str) -> str:
    """Return ``url`` with what stands before its host hidden, also if it is not quite a URL, or of no known store."""
    if url.startswith("sqlite:"):
        return url
    head, at, tail = url.rpartition("@")
    scheme = re.match(r"[a-z]*:/*", head)
    hidden = f"{scheme[0] if scheme else ''}***@" if at else ""
    return re.sub(r"(password=)[^&]*", r"\1***", hidden + tail, flags=re.IGNORECASE)


def _is_state_url(url: str) -> bool:
    if url in ("", "memory:"):
        return True
    if url.startswith("sqlite:"):
        path = url.removeprefix("sqlite:")
        # sqlite:///var/lib/x is how other programs spell it; two slashes would name a host.
        return bool(path.strip("/")) and (path.startswith("///") or not path.startswith("//"))
    if re.search(r"\s", url):  # urlsplit would drop it in silence
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # taken apart only when it is asked for
    except ValueError:
        return False
    is_ours = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and not parts.fragment
    is_query = not parts.query or _PREFIX.fullmatch(parts.query) is not None
    return is_ours and is_query and _DATABASE.fullmatch(parts.path) is not None
