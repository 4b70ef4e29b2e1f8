"""A store in one hash of a Redis server: for a state that shall not live on this machine.

The hash ``<prefix>:state`` holds the fields ``revision``, ``schema`` and ``sequence``, and for each document a field
``document:<key>``: the number of its coming, a space, and the JSON text. A commit is one Lua script, so it happens
whole or not at all, also in a server that is killed.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from clipper.errors import ClipperError, StartError, StateError, StateUnavailableError
from clipper.state.redis_url import RedisAddress
from clipper.state.store import NO_REVISION, Document, ScannedPart, StateStore, StoredState
from clipper.types import Revision

if TYPE_CHECKING:
    from redis import Redis
    from redis.exceptions import RedisError

INSTALL_LINE: Final = "pip install 'clipper[redis]'"
# How long a call waits for a connection, and then for each answer.
CONNECT_LIMIT_US: Final = 1_000_000
ANSWER_LIMIT_US: Final = 2_000_000

_logger = logging.getLogger(__name__)
_SCHEMA_VERSION: Final = 1
_DOCUMENT: Final = b"document:"
# KEYS: the hash. ARGV: expected revision, new revision, schema version, number of puts, key and text of each, then the
# keys to remove. Returns {1 if done, revision, schema version}. The first write is where a server without memory or
# disk refuses; once it has taken that one it takes them all.
_COMMIT: Final = """
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
local schema = redis.call('HGET', KEYS[1], 'schema') or ARGV[3]
if revision ~= ARGV[1] or schema ~= ARGV[3] then return {0, revision, schema} end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'schema', ARGV[3])
local first_removal = 5 + 2 * tonumber(ARGV[4])
for i = 5, first_removal - 1, 2 do
  local field = 'document:' .. ARGV[i]
  local present = redis.call('HGET', KEYS[1], field)
  local number = present and string.match(present, '^%d+') or redis.call('HINCRBY', KEYS[1], 'sequence', 1)
  redis.call('HSET', KEYS[1], field, number .. ' ' .. ARGV[i + 1])
end
for i = first_removal, #ARGV do redis.call('HDEL', KEYS[1], 'document:' .. ARGV[i]) end
return {1, ARGV[2], schema}
"""


class RedisStore(StateStore):
    """One hash, read and written whole by one client with limits on every wait; it connects anew when it has to.

    Raises
    ------
    StartError
        The library redis-py is missing, the server does not answer or refuses us, or what it holds under the prefix is
        not of this version of Clipper.
    """

    def __init__(
        self,
        address: RedisAddress,
        connect_limit_us: int = CONNECT_LIMIT_US,
        answer_limit_us: int = ANSWER_LIMIT_US,
    ) -> None:
        self._address = address
        self._answer_limit_us = answer_limit_us
        self._key = f"{address.prefix}:state"
        self._client = _make_client(address, connect_limit_us, answer_limit_us)
        try:
            self.load()
        except ClipperError as error:
            self._client.close()
            raise StartError(error.message, hint=error.hint) from error
        for warning in self._find_risks():
            _logger.warning("the state in %s may be lost: %s", self.url, warning)

    @property
    def url(self) -> str:
        return self._address.url

    def load(self) -> StoredState:
        with self._errors("read"):
            fields: Any = self._client.hgetall(self._key)
        self._check_schema(fields.get(b"schema"))
        return StoredState(self._revision(fields.get(b"revision")), self._documents(fields))

    def read(self, keys: Sequence[str]) -> StoredState:
        fields = [_DOCUMENT + key.encode() for key in keys]
        with self._errors("read"):
            values: Any = self._client.hmget(self._key, [b"revision", b"schema", *fields])
        revision, schema, *texts = values
        self._check_schema(schema)
        found = {field: text for field, text in zip(fields, texts, strict=True) if text is not None}
        return StoredState(self._revision(revision), self._documents(found))

    def scan(self, cursor: str, count: int) -> ScannedPart:
        with self._errors("read"):
            answer: Any = self._client.hscan(self._key, int(cursor or 0), count=count)
        following, fields = answer
        # Redis scans a small hash whole, whatever is asked for.
        return ScannedPart(str(following) if following else "", self._documents(fields))

    def _revision(self, found: bytes | None) -> Revision:
        try:
            return Revision(int(found or b"0"))
        except ValueError as error:
            raise self._damaged(str(error)) from error

    def _documents(self, fields: Mapping[bytes, bytes]) -> dict[str, Document]:
        """Return the documents among the fields of the hash, in the order of their coming."""
        numbered = []
        try:
            for field, value in fields.items():
                if field.startswith(_DOCUMENT):
                    number, _, text = value.partition(b" ")
                    numbered.append((int(number), field.removeprefix(_DOCUMENT).decode(), text))
        except ValueError as error:
            raise self._damaged(str(error)) from error
        return {key: self._parse(key, text) for _, key, text in sorted(numbered)}

    def commit(
        self, expected_revision: Revision, changes: Mapping[str, Document | None], above: Revision = NO_REVISION
    ) -> Revision:
        puts: list[str] = []
        for key, document in changes.items():
            puts += [] if document is None else [key, json.dumps(document, allow_nan=False)]
        removals = [key for key, document in changes.items() if document is None]
        revision = Revision(max(expected_revision, above) + 1)
        arguments = [expected_revision, revision, _SCHEMA_VERSION, len(puts) // 2, *puts, *removals]
        with self._errors("written", "nothing was changed"):
            self._client.ping()  # so that a server that was lost before is told from one that is lost in the middle
        with self._errors("written", "it is not known whether Redis made this change; Clipper goes on without it"):
            answer: Any = self._client.eval(_COMMIT, 1, self._key, *map(str, arguments))
        is_done, found_revision, schema = answer
        self._check_schema(schema)
        if not is_done:
            raise self._conflict(int(found_revision), expected_revision)
        return revision

    def close(self) -> None:
        self._client.close()

    def _find_risks(self) -> Iterator[str]:
        """Yield what in the server's settings puts acknowledged commits at risk, as far as it tells us."""
        from redis.exceptions import RedisError

        try:
            found: Any = self._client.info("everything")
        except RedisError:  # a user without the right to ask; nothing depends on it
            return
        if not found.get("aof_enabled"):
            yield "the server keeps no append-only file, so a crash loses its last changes (set appendonly yes)"
        if found.get("maxmemory") and str(found.get("maxmemory_policy")).startswith("allkeys"):
            yield "the server evicts any key when its memory is full (set maxmemory-policy noeviction)"

    def _check_schema(self, found: bytes | None) -> None:
        if found is not None and found != str(_SCHEMA_VERSION).encode():
            raise StateError(
                f"the state in {self.url} has schema version {found.decode(errors='replace')}, and this version of "
                f"Clipper reads {_SCHEMA_VERSION}: a newer version wrote it",
                hint="start that newer version, or choose another prefix",
            )

    @contextlib.contextmanager
    def _errors(self, action: str, if_lost: str = "") -> Iterator[None]:
        """Make errors of the library ours; ``if_lost`` is what a lost connection means for the change."""
        from redis.exceptions import RedisError

        try:
            yield
        except RedisError as error:
            raise self._typed(action, f"; {if_lost}" if if_lost else "", error) from error

    def _typed(self, action: str, outcome: str, error: RedisError) -> StateError | StateUnavailableError:
        from redis import exceptions

        what = f"the state in {self.url} cannot be {action}"
        text = self._address.without_password(str(error))
        match error:
            case exceptions.AuthenticationError() | exceptions.AuthorizationError() | exceptions.NoPermissionError():
                return StateUnavailableError(f"{what}, Redis refuses us: {text}", hint="see the user and password")
            case exceptions.TimeoutError():
                limit_ms = self._answer_limit_us / 1e3
                cause = f"Redis does not answer within {limit_ms:g} ms"
                return StateUnavailableError(f"{what}, {cause}{outcome}", hint="see whether the server is well")
            case exceptions.BusyLoadingError():
                return StateUnavailableError(f"{what}, Redis is still loading its data{outcome}", hint="try again soon")
            case exceptions.ConnectionError():
                hint = "start the server, or look at the address: Clipper goes on by itself when it is back"
                return StateUnavailableError(f"{what}, Redis cannot be reached: {text}{outcome}", hint=hint)
            case exceptions.ReadOnlyError():
                return StateUnavailableError(f"{what}, it is on a replica: {text}", hint="name the primary")
            case exceptions.ResponseError() if text.startswith("WRONGTYPE"):
                cause = f"the key {self._key!r} holds something else"
                return StateError(f"{what}, {cause}", hint="choose another prefix")
        hint = "see the server's log and its limit maxmemory; Clipper goes on by itself when it takes changes again"
        return StateUnavailableError(f"{what}, Redis refuses: {text}", hint=hint)


def _make_client(address: RedisAddress, connect_limit_us: int, answer_limit_us: int) -> Redis:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise StartError("a state in Redis needs the Python library redis", hint=INSTALL_LINE) from error
    return redis.Redis(
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.username,
        password=address.password,
        ssl=address.is_tls,
        ssl_cert_reqs="required",  # its authority is one of the system's, or of SSL_CERT_FILE
        ssl_check_hostname=True,
        socket_connect_timeout=connect_limit_us / 1e6,
        socket_timeout=answer_limit_us / 1e6,
        # A commit that was lost on its way may have been made: the registry finds out, a blind retry does not.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
