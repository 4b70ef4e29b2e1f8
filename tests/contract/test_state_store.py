"""The contract of `StateStore`, for every backend."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipper.errors import ConflictError
from clipper.state.memory import MemoryStore
from clipper.state.open import open_store
from clipper.state.store import StateStore
from clipper.types import Revision
from tests.support.redis_server import NEEDS_REDIS, RedisServer

Opener = Callable[[], StateStore]
_prefixes = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=NEEDS_REDIS)])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Open the same state anew with every call; what is in memory has one owner and is never closed."""
    stores: list[StateStore] = []
    in_memory = MemoryStore()

    def open_one() -> StateStore:
        if request.param == "memory":
            return in_memory
        if request.param == "sqlite":
            stores.append(open_store("", tmp_path))
        else:
            stores.append(open_store(request.getfixturevalue("server").url(prefix), tmp_path))
        return stores[-1]

    prefix = f"test-{next(_prefixes)}"
    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(opener: Opener) -> StateStore:
    return opener()


def test_empty_store_is_at_revision_zero(store: StateStore) -> None:
    state = store.load()
    assert (state.revision, state.documents) == (0, {})


def test_commit_raises_the_revision_by_one_and_is_loaded(store: StateStore) -> None:
    assert store.commit(Revision(0), {"a": {"x": 1}, "b": {"y": ["é", None, 1.5]}}) == 1
    assert store.commit(Revision(1), {"a": {"x": 2}, "b": None, "c": {}}) == 2
    state = store.load()
    assert (state.revision, state.documents) == (2, {"a": {"x": 2}, "c": {}})


def test_commit_above_a_revision_never_goes_below_it(store: StateStore) -> None:
    assert store.commit(Revision(0), {"a": {}}, Revision(41)) == 42
    assert store.commit(Revision(42), {"b": {}}, Revision(41)) == 43
    assert store.load().revision == 43


def test_commit_on_an_old_revision_is_refused_and_changes_nothing(store: StateStore) -> None:
    store.commit(Revision(0), {"a": {"x": 1}})
    for wrong in (0, 2):
        with pytest.raises(ConflictError, match=f"at revision 1, not at {wrong}"):
            store.commit(Revision(wrong), {"a": {"x": 2}, "b": {}})
    assert store.load().documents == {"a": {"x": 1}}


def test_commit_that_fails_half_way_changes_nothing(store: StateStore) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.commit(Revision(0), {"a": {"x": 1}, "b": {"y": float("nan")}})
    assert store.load() == store.load() and store.load().revision == 0 and not store.load().documents


def test_empty_commit_raises_the_revision_too(store: StateStore) -> None:
    assert store.commit(Revision(0), {}) == 1
    assert store.load().revision == 1


def test_removal_of_an_unknown_key_is_no_error(store: StateStore) -> None:
    assert store.commit(Revision(0), {"a": None}) == 1


def test_loaded_state_does_not_change_with_later_commits(store: StateStore) -> None:
    document = {"x": [1]}
    store.commit(Revision(0), {"a": document})
    document["x"].append(2)
    before = store.load()
    store.commit(Revision(1), {"a": {"x": [3]}})
    assert before.documents["a"] == {"x": [1]}


def test_documents_come_in_the_order_of_their_keys_first_commit(opener: Opener) -> None:
    store = opener()
    store.commit(Revision(0), {"z": {}, "m": {}, "a": {}})
    store.commit(Revision(1), {"m": None, "z": {"x": 1}, "k": {}})
    store.commit(Revision(2), {"m": {}})
    assert list(opener().load().documents) == ["z", "a", "k", "m"]


@pytest.mark.parametrize("key", ["model/é", "名前", "🙂/🙂", " ", "a b\n\t'\"\\%:*", "null\0byte", "document:revision"])
def test_any_text_is_a_key(opener: Opener, key: str) -> None:
    store = opener()
    store.commit(Revision(0), {key: {key: key}, "other": {}})
    assert opener().load().documents == {key: {key: key}, "other": {}}
    store.commit(Revision(1), {key: None})
    assert opener().load().documents == {"other": {}}


def test_keys_of_the_stores_own_bookkeeping_are_free(opener: Opener) -> None:
    names = ("revision", "schema", "sequence", "state", "documents")
    opener().commit(Revision(0), {name: {"name": name} for name in names})
    assert opener().load().documents == {name: {"name": name} for name in names}


def test_document_of_many_megabytes_is_kept(opener: Opener) -> None:
    document = {"text": "é\n" * 1_000_000, "numbers": list(range(100_000))}
    opener().commit(Revision(0), {"big": document, "small": {}})
    assert opener().load().documents == {"big": document, "small": {}}


def test_thousand_documents_are_kept_and_removed(opener: Opener) -> None:
    store = opener()
    documents = {f"model/{number}": {"number": number} for number in range(1_000)}
    store.commit(Revision(0), documents)
    assert list(opener().load().documents.items()) == list(documents.items())
    store.commit(Revision(1), dict.fromkeys(list(documents)[1:]))
    assert opener().load().documents == {"model/0": {"number": 0}}


def test_reopened_state_is_where_it_was(opener: Opener) -> None:
    for revision in range(3):
        reopened = opener()
        assert reopened.load().revision == revision
        reopened.commit(Revision(revision), {f"key-{revision}": {"revision": revision}})
    assert opener().load().documents == {f"key-{revision}": {"revision": revision} for revision in range(3)}


def test_second_writer_on_one_revision_is_refused_and_nothing_of_the_first_is_lost(opener: Opener) -> None:
    first, second = opener(), opener()
    assert first.load() == second.load()
    first.commit(Revision(0), {"a": {"by": "first"}})
    with pytest.raises(ConflictError):
        second.commit(Revision(0), {"a": {"by": "second"}, "b": {}})
    assert second.load().documents == {"a": {"by": "first"}}
    assert second.commit(Revision(1), {"b": {}}) == 2


@pytest.mark.parametrize("opener", ["sqlite", pytest.param("redis", marks=NEEDS_REDIS)], indirect=True)
def test_writers_that_race_lose_nothing(opener: Opener) -> None:
    count = 25

    def write(store: StateStore, writer: int) -> None:
        for number in range(count):
            while True:
                try:
                    store.commit(store.load().revision, {f"{writer}/{number}": {}, "last": {"writer": writer}})
                    break
                except ConflictError:
                    continue

    threads = [threading.Thread(target=write, args=(opener(), writer)) for writer in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = opener().load()
    assert state.revision == 2 * count
    assert set(state.documents) == {"last", *(f"{writer}/{number}" for writer in range(2) for number in range(count))}


def test_read_returns_the_documents_asked_for_and_the_revision(store: StateStore) -> None:
    assert store.read(["a"]) == store.read([]) == store.load()
    store.commit(Revision(0), {"a": {"x": 1}, "b": {"y": 2}, "c": {}})
    state = store.read(["c", "nobody", "a", "revision"])
    assert (state.revision, dict(state.documents)) == (1, {"a": {"x": 1}, "c": {}})
    assert (store.read(()).revision, store.read(()).documents) == (1, {})


@pytest.mark.parametrize("key", ["context/é/名前", " ", "a b\n\t'\"\\%:*", "null\0byte", "document:revision"])
def test_document_of_any_key_is_read(store: StateStore, key: str) -> None:
    store.commit(Revision(0), {key: {"key": key}, "other": {}})
    assert store.read([key]).documents == {key: {"key": key}}


def test_thousands_of_keys_are_read_at_once(store: StateStore) -> None:
    documents = {f"context/{number}": {"number": number} for number in range(2_500)}
    store.commit(Revision(0), {**documents, "other": {}})
    assert dict(store.read(list(documents)).documents) == documents


def scanned(store: StateStore, count: int) -> list[str]:
    keys: list[str] = []
    cursor = ""
    while True:
        part = store.scan(cursor, count)
        keys += part.documents
        if not part.cursor:
            return keys
        cursor = part.cursor


@pytest.mark.parametrize("count", [1, 7, 1_000])
def test_scan_meets_every_document(store: StateStore, count: int) -> None:
    assert scanned(store, count) == []
    documents = {f"context/{number}": {"number": number} for number in range(20)}
    store.commit(Revision(0), documents)
    assert set(scanned(store, count)) == set(documents)
    assert store.scan("", 1_000).documents == documents


def test_scan_meets_what_stays_while_documents_come_and_go(store: StateStore) -> None:
    # More than Redis keeps in one piece, so that it is scanned in parts there, too.
    stays = {f"stays/{number}": {"filler": "x" * 100} for number in range(600)}
    goes: dict[str, dict[str, str]] = {f"goes/{number}": {} for number in range(600)}
    store.commit(Revision(0), {**goes, **stays})
    seen: set[str] = set()
    cursor, revision = "", Revision(1)
    while True:
        part = store.scan(cursor, 50)
        seen |= set(part.documents)
        if not part.cursor:
            break
        cursor = part.cursor
        revision = store.commit(revision, {f"goes/{revision}": None, f"new/{revision}": {}, "stays/0": {"again": 1}})
    assert set(stays) <= seen


def test_url_names_the_store(store: StateStore) -> None:
    assert store.url.startswith(("memory:", "sqlite:/", "redis://127.0.0.1:"))
