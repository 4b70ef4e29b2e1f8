"""From the configured URL to the store: ``memory:``, ``sqlite:PATH`` or ``redis://...``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from clipper.errors import InvalidArgumentError
from clipper.state.memory import MemoryStore
from clipper.state.redis import ANSWER_LIMIT_US, CONNECT_LIMIT_US, RedisStore
from clipper.state.redis_url import SCHEMES, parse_redis_url
from clipper.state.sqlite import LOCK_LIMIT_US, SqliteStore
from clipper.state.store import StateStore

STATE_FILE_NAME: Final = "state.sqlite"
# What policies have learned changes every second, the registry when people change it: each has a store of its own, so
# that neither waits for the other, and so that the registry is as small as what people have registered.
LEARNER: Final = "learner"


def open_store(
    url: str,
    run_dir: Path,
    *,
    part: str = "",
    lock_limit_us: int = LOCK_LIMIT_US,
    connect_limit_us: int = CONNECT_LIMIT_US,
    answer_limit_us: int = ANSWER_LIMIT_US,
) -> StateStore:
    """Open the store that ``url`` names; "" is a SQLite file in ``run_dir``, and a relative PATH is in it, too.

    Parameters
    ----------
    part : str
        "" is the registry's store; another name (`LEARNER`) one beside it: a file ``state-learner.sqlite`` for
        ``state.sqlite``, or a prefix ``name:learner`` for ``name``.
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
        return SqliteStore(_file_of(run_dir / STATE_FILE_NAME, part), lock_limit_us)
    if url == "memory:":
        return MemoryStore()
    if scheme == "sqlite" and separator and rest:
        # sqlite:///var/lib/x is how other programs spell it; two slashes would name a host.
        path = "/" + rest.lstrip("/") if rest.startswith("///") else rest
        if not path.startswith("//"):
            return SqliteStore(_file_of(run_dir / path, part), lock_limit_us)
    if scheme in SCHEMES:
        address = parse_redis_url(url)
        prefix = f"{address.prefix}:{part}" if part else address.prefix
        return RedisStore(replace(address, prefix=prefix), connect_limit_us, answer_limit_us)
    raise InvalidArgumentError(
        "the URL of the state names no kind of store",
        hint="expected memory:, sqlite:PATH, redis://[:password@]host:port/db[?prefix=name], or nothing for a file in "
        "the run directory",
    )


def _file_of(path: Path, part: str) -> Path:
    return path.with_name(f"{path.stem}-{part}{path.suffix}") if part else path
