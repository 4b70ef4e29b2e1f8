"""Where the registry is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from clipper.config.option import OptionError, check, option

_FORMS: Final = "'memory:', 'sqlite:' and an absolute path, or 'redis://[:password@]host[:port][/db][?prefix=...]'"


@dataclass(frozen=True, slots=True)
class StateConfig:
    """The state store: applications, models, versions and links, as they survive a restart."""

    url: str = option(
        "",
        "`memory:`, `sqlite:/path`, or `redis://[:password@]host[:port][/db][?prefix=...]`; "
        "empty = an SQLite file in run_dir",
        has_secret=True,
    )

    def __post_init__(self) -> None:
        check(self)
        if not _is_state_url(self.url):
            raise OptionError("url", repr(without_password(self.url)), f"{_FORMS}, or an empty text")


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
        return url.startswith("sqlite:/") and url.strip("/") != "sqlite:"
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return False
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False
    is_database = re.fullmatch(r"(/[0-9]{0,6})?", parts.path) is not None
    is_query = re.fullmatch(r"(prefix=[^&]*)?", parts.query) is not None
    return parts.scheme == "redis" and is_query and bool(parts.hostname) and is_database and not parts.fragment
