"""The contract of `StateStore`, for every backend."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipper.errors import ConflictError, ServerError, StartError
from clipper.state.memory import MemoryStore
from clipper.state.sqlite import SqliteStore
from clipper.state.store import StateStore
from clipper.types import Revision

BACKENDS: dict[str, Callable[[Path], StateStore]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda directory: SqliteStore(directory / "state.sqlite"),
}


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    made = BACKENDS[request.param](tmp_path)
    yield made
    made.close()


def test_empty_store_is_at_revision_zero(store: StateStore) -> None:
    stored = store.load()
    assert (stored.revision, dict(stored.documents)) == (0, {})


def test_commit_raises_the_revision_by_one_and_is_loaded(store: StateStore) -> None:
    assert store.commit(Revision(0), {"a": {"x": [1, "ü", None]}, "b": {}}) == 1
    assert store.commit(Revision(1), {"a": {"x": 2}, "b": None, "c": {"y": 1.5}}) == 2
    stored = store.load()
    assert (stored.revision, dict(stored.documents)) == (2, {"a": {"x": 2}, "c": {"y": 1.5}})


def test_commit_on_an_old_revision_is_refused_and_changes_nothing(store: StateStore) -> None:
    store.commit(Revision(0), {"a": {"x": 1}})
    with pytest.raises(ConflictError):
        store.commit(Revision(0), {"a": {"x": 2}})
    assert store.load().documents["a"] == {"x": 1}


def test_commit_that_fails_half_way_changes_nothing(store: StateStore) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.commit(Revision(0), {"a": {}, "b": {"x": float("nan")}})
    assert (store.load().revision, dict(store.load().documents)) == (0, {})


def test_removal_of_an_unknown_key_is_no_error(store: StateStore) -> None:
    assert store.commit(Revision(0), {"a": None}) == 1


def test_loaded_state_does_not_change_with_later_commits(store: StateStore) -> None:
    document = {"x": [1]}
    store.commit(Revision(0), {"a": document})
    document["x"].append(2)
    before = store.load()
    store.commit(Revision(1), {"a": {"x": [3]}})
    assert before.documents["a"] == {"x": [1]}


def test_sqlite_state_survives_the_sigkill_of_its_process(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    code = (
        "import os, signal, sys, pathlib\n"
        "from clipper.state.sqlite import SqliteStore\n"
        "SqliteStore(pathlib.Path(sys.argv[1])).commit(0, {'a': {'x': 1}})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], timeout=30, check=False)
    store = SqliteStore(path)
    assert store.load().documents == {"a": {"x": 1}}
    store.close()
    assert path.stat().st_mode & 0o077 == 0


def test_sqlite_file_of_something_else_or_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(b"not a database, by far" * 100)
    with pytest.raises(StartError, match="rubbish"):
        SqliteStore(tmp_path / "rubbish")
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StartError, match="newer version"):
        SqliteStore(tmp_path / "newer")


def test_sqlite_file_locked_by_another_process_is_a_server_error_and_changes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.sqlite", lock_limit_us=50_000)
    holder = sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServerError, match="nothing was changed"):
        store.commit(Revision(0), {"a": {}})
    holder.execute("ROLLBACK")
    holder.close()
    assert store.commit(Revision(0), {"a": {}}) == 1
    store.close()
