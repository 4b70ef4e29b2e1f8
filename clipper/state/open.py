"""From the configured URL to the store: ``memory:``, ``sqlite:PATH`` or ``redis://...``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clipper.errors import InvalidArgumentError
from clipper.state.memory import MemoryStore
from clipper.state.redis import ANSWER_LIMIT_US, CONNECT_LIMIT_US, RedisStore
from clipper.state.redis_url import SCHEMES, parse_redis_url
from clipper.state.sqlite import LOCK_LIMIT_US, SqliteStore
from clipper.state.store import StateStore

STATE_FILE_NAME: Final = "state.sqlite"


def open_store(
    url: str,
    run_dir: Path,
    *,
    lock_limit_us: int = LOCK_LIMIT_US,
    connect_limit_us: int = CONNECT_LIMIT_US,
    answer_limit_us: int = ANSWER_LIMIT_US,
) -> StateStore:
    """Open the store that ``url`` names; "" is a SQLite file in ``run_dir``, and a relative PATH is in it, too.

    Parameters
    ----------
    lock_limit_us : int
        How long a call waits for another process that holds the SQLite file.
    connect_limit_us, answer_limit_us : int
        How long a call waits for a connection to Redis, and then for each answer.

    Raises
    ------
    InvalidArgumentError
        There is no store of this kind.
    StartError
        The store cannot be opened; it says why.
    """
    scheme, separator, rest = url.partition(":")
    if not url:
        return SqliteStore(run_dir / STATE_FILE_NAME, lock_limit_us)
    if url == "memory:":
        return MemoryStore()
    if scheme == "sqlite" and separator and rest:
        # sqlite:///var/lib/x is how other programs spell it; two slashes would name a host.
        path = "/" + rest.lstrip("/") if rest.startswith("///") else rest
        if not path.startswith("//"):
            return SqliteStore(run_dir / path, lock_limit_us)
    if scheme in SCHEMES:
        return RedisStore(parse_redis_url(url), connect_limit_us, answer_limit_us)
    raise InvalidArgumentError(
        "the URL of the state names no kind of store",
        hint="expected memory:, sqlite:PATH, redis://[:password@]host:port/db[?prefix=name], or nothing for a file in "
        "the run directory",
    )
