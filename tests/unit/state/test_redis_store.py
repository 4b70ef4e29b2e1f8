"""A Redis server in trouble: refusing, silent, gone and back; within limits, and never with the password in a text."""

from __future__ import annotations

import builtins
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from clipper.errors import StartError, StateError, StateUnavailableError
from clipper.state.redis import ANSWER_LIMIT_US, CONNECT_LIMIT_US, INSTALL_LINE, RedisStore
from clipper.state.redis_url import parse_redis_url
from clipper.types import Revision
from tests.support.redis_server import NEEDS_REDIS, RedisServer

PASSWORD = "s3cret/@pass"
# No test depends on how fast a server answers that does: the machine may be busy, and its disk.
PATIENT_LIMIT_US = 30_000_000
# What a test waits out where the server does not answer. It does answer the opening of the store.
SHORT_LIMIT_US = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), password=PASSWORD) as started:
        yield started


def open_redis(
    server: RedisServer, prefix: str, password: str = PASSWORD, answer_limit_us: int = PATIENT_LIMIT_US
) -> RedisStore:
    url = server.url(prefix).replace(PASSWORD, "".join(f"%{ord(char):02x}" for char in password))
    return RedisStore(parse_redis_url(url), PATIENT_LIMIT_US, answer_limit_us)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return "".join(char if char.isalnum() else "-" for char in request.node.name)[:63]


@pytest.fixture
def store(server: RedisServer, prefix: str) -> Iterator[RedisStore]:
    opened = open_redis(server, prefix)
    yield opened
    opened.close()


@pytest.fixture
def impatient_store(server: RedisServer, prefix: str) -> Iterator[RedisStore]:
    opened = open_redis(server, prefix, answer_limit_us=SHORT_LIMIT_US)
    yield opened
    server.signal(signal.SIGCONT)
    opened.close()


def whole_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + getattr(error, "hint", "")


def run_on(store: RedisStore, *command: str) -> Any:
    client: Any = store._client  # its execute_command has no types
    return client.execute_command(*command)


@NEEDS_REDIS
def test_instances_with_prefixes_of_their_own_share_one_server(server: RedisServer) -> None:
    one, other = open_redis(server, "one"), open_redis(server, "other")
    one.commit(Revision(0), {"a": {"of": "one"}})
    assert other.load().revision == 0
    other.commit(Revision(0), {"a": {"of": "other"}})
    assert one.load().documents == {"a": {"of": "one"}}
    assert sorted(run_on(one, "KEYS", "o*:state")) == [b"one:state", b"other:state"]
    one.close()
    other.close()


@NEEDS_REDIS
@pytest.mark.parametrize("password", ["", "wr0ng-pass"])
def test_server_that_wants_another_password_is_a_clear_error_without_it(server: RedisServer, password: str) -> None:
    with pytest.raises(StartError, match="Redis refuses us") as caught:
        open_redis(server, "clipper", password)
    assert f"127.0.0.1:{server.port}" in caught.value.message and "password" in caught.value.hint
    text = whole_text(caught.value)
    assert PASSWORD not in text and "wr0ng" not in text


@NEEDS_REDIS
def test_silent_server_is_given_up_within_the_answer_limit_and_works_when_it_is_back(
    server: RedisServer, impatient_store: RedisStore
) -> None:
    store = impatient_store
    store.commit(Revision(0), {"a": {"x": 1}})
    server.signal(signal.SIGSTOP)
    for call in (store.load, lambda: store.commit(Revision(1), {"a": {"x": 2}})):
        started_us = time.monotonic_ns() // 1000
        with pytest.raises(StateUnavailableError, match="does not answer within 1000 ms") as caught:
            call()
        assert time.monotonic_ns() // 1000 - started_us >= SHORT_LIMIT_US
        assert PASSWORD not in whole_text(caught.value)
    assert "nothing was changed" in caught.value.message
    server.signal(signal.SIGCONT)
    assert store.load().documents == {"a": {"x": 1}}
    assert store.commit(Revision(1), {"b": {}}) == 2


@NEEDS_REDIS
def test_commit_whose_answer_does_not_come_says_that_it_may_have_been_made(
    server: RedisServer, impatient_store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = impatient_store
    monkeypatch.setattr(store._client, "ping", lambda: server.signal(signal.SIGSTOP))
    with pytest.raises(StateUnavailableError, match="not known whether Redis made this change"):
        store.commit(Revision(0), {"a": {"x": 1}})
    server.signal(signal.SIGCONT)
    state = store.load()
    # Whichever it was, it was whole.
    assert state.documents == ({"a": {"x": 1}} if state.revision else {})


@NEEDS_REDIS
def test_server_that_was_killed_is_unreachable_and_works_when_it_is_back(
    server: RedisServer, store: RedisStore
) -> None:
    store.commit(Revision(0), {"a": {"x": 1}})
    server.kill()
    for _ in range(2):
        with pytest.raises(StateUnavailableError, match="Redis cannot be reached") as caught:
            store.commit(Revision(1), {"a": {"x": 2}})
    assert (caught.value.http_status, caught.value.retriable) == (503, True)
    assert PASSWORD not in whole_text(caught.value)
    with pytest.raises(StartError, match="Redis cannot be reached"):
        open_redis(server, "clipper")
    server.start()
    assert store.load().documents == {"a": {"x": 1}}
    assert store.commit(Revision(1), {"a": {"x": 2}}) == 2


@NEEDS_REDIS
def test_server_that_was_restarted_between_two_calls_is_not_noticed(server: RedisServer, store: RedisStore) -> None:
    store.commit(Revision(0), {"a": {"x": 1}})
    server.restart()
    assert store.commit(Revision(1), {"a": {"x": 2}}) == 2


@NEEDS_REDIS
def test_server_without_memory_refuses_whole_commits_and_takes_them_again(store: RedisStore) -> None:
    store.commit(Revision(0), {"a": {"x": 1}})
    run_on(store, "CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(StateUnavailableError, match="maxmemory"):
            store.commit(Revision(1), {"a": {"x": 2}, "b": {}})
    finally:
        run_on(store, "CONFIG", "SET", "maxmemory", "0")
    assert store.load().documents == {"a": {"x": 1}}
    assert store.commit(Revision(1), {"b": {}}) == 2


@NEEDS_REDIS
def test_replica_refuses_commits_and_says_so(store: RedisStore) -> None:
    run_on(store, "REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(StateUnavailableError, match="replica") as caught:
            store.commit(Revision(0), {"a": {}})
    finally:
        run_on(store, "REPLICAOF", "NO", "ONE")
    assert "primary" in caught.value.hint


@NEEDS_REDIS
def test_server_whose_settings_put_the_state_at_risk_is_warned_of(
    server: RedisServer, store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert caplog.messages == []
    safe = {"appendonly": "yes", "maxmemory": "0", "maxmemory-policy": "noeviction"}
    risky = {"appendonly": "no", "maxmemory": "1gb", "maxmemory-policy": "allkeys-lru"}
    try:
        for name, value in risky.items():
            run_on(store, "CONFIG", "SET", name, value)
        open_redis(server, "risky").close()
    finally:
        for name, value in safe.items():
            run_on(store, "CONFIG", "SET", name, value)
    assert ["appendonly yes" in text for text in caplog.messages] == [True, False]
    assert ["noeviction" in text for text in caplog.messages] == [False, True]


@NEEDS_REDIS
def test_user_without_the_right_to_ask_for_settings_can_use_the_store(server: RedisServer, store: RedisStore) -> None:
    run_on(store, "ACL", "SETUSER", "clipper", "on", ">pw", "~clipper:*", "+ping", "+hgetall", "+eval", "+hget")
    run_on(store, "ACL", "SETUSER", "clipper", "+hset", "+hincrby", "+hdel", "+select", "+client")
    plain = RedisStore(parse_redis_url(f"redis://clipper:pw@127.0.0.1:{server.port}/0"))
    plain.commit(Revision(0), {"a": {"x": 1}, "b": {}})
    plain.commit(Revision(1), {"b": None})
    assert plain.load().documents == {"a": {"x": 1}}
    plain.close()
    other = parse_redis_url(f"redis://clipper:pw@127.0.0.1:{server.port}/0?prefix=other")
    with pytest.raises(StartError, match="Redis refuses us"):
        RedisStore(other)


@NEEDS_REDIS
def test_key_that_holds_something_else_is_left_alone(server: RedisServer, store: RedisStore) -> None:
    run_on(store, "SET", "taken:state", "mine")
    with pytest.raises(StartError, match="holds something else") as caught:
        open_redis(server, "taken")
    assert "prefix" in caught.value.hint
    assert run_on(store, "GET", "taken:state") == b"mine"


@NEEDS_REDIS
def test_state_of_a_newer_version_is_left_alone(server: RedisServer, store: RedisStore) -> None:
    store.commit(Revision(0), {"a": {}})
    run_on(store, "HSET", store._key, "schema", "2")
    for call in (store.load, lambda: store.commit(Revision(1), {"a": None})):
        with pytest.raises(StateError, match=r"schema version 2.*newer version"):
            call()
    with pytest.raises(StartError, match="newer version"):
        open_redis(server, store._key.removesuffix(":state"))
    assert run_on(store, "HKEYS", store._key) == [b"revision", b"schema", b"sequence", b"document:a"]


@NEEDS_REDIS
@pytest.mark.parametrize(
    ("field", "value"), [("document:a", "1 {"), ("document:a", "1 [1]"), ("document:a", "{}"), ("revision", "x")]
)
def test_field_that_is_not_as_we_wrote_it_is_damage(store: RedisStore, field: str, value: str) -> None:
    store.commit(Revision(0), {"a": {}})
    run_on(store, "HSET", store._key, field, value)
    with pytest.raises(StateError, match="damaged"):
        store.load()


@pytest.mark.optional("redis", INSTALL_LINE)
def test_server_that_takes_connections_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"redis://:{PASSWORD.replace('/', '%2f').replace('@', '%40')}@127.0.0.1:{listener.getsockname()[1]}/0"
        with pytest.raises(StartError, match="does not answer within 100 ms") as caught:
            RedisStore(parse_redis_url(url), 100_000, 100_000)
    assert PASSWORD not in whole_text(caught.value)


def test_missing_library_is_an_error_that_names_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_redis(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == "redis":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    imported = builtins.__import__
    for module in [name for name in sys.modules if name.split(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without_redis)
    with pytest.raises(StartError, match="needs the Python library redis") as caught:
        RedisStore(parse_redis_url("redis://localhost"))
    assert caught.value.hint == INSTALL_LINE == "pip install 'clipper[redis]'"


def test_limits_of_a_call_are_what_the_documents_say() -> None:
    assert (CONNECT_LIMIT_US, ANSWER_LIMIT_US) == (1_000_000, 2_000_000)
