"""A SQLite file in trouble: each is named, with what to do, nothing is half done, and what passes passes."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipper.errors import ServerError, StartError, StateError, StateUnavailableError
from clipper.state.sqlite import _STEPS, SqliteStore
from clipper.types import Revision

LOCK_LIMIT_US = 50_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path, LOCK_LIMIT_US)
    yield opened
    opened.close()


def fill(path: Path) -> None:
    """Leave a state of many pages, all of it in the main file."""
    store = SqliteStore(path)
    store.commit(Revision(0), {f"model/{number}": {"text": "x" * 500} for number in range(100)})
    store.close()


def edit(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


# -- who can read it -------------------------------------------------------------------------------------------------


def test_state_and_the_files_beside_it_are_for_their_owner_alone(path: Path, store: SqliteStore) -> None:
    old_mask = os.umask(0)
    try:
        store.commit(Revision(0), {"a": {}})
    finally:
        os.umask(old_mask)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert files == {"state.sqlite": 0o600, "state.sqlite-wal": 0o600, "state.sqlite-shm": 0o600}


def test_state_that_others_could_read_is_closed_to_them(path: Path) -> None:
    fill(path)
    path.chmod(0o644)
    SqliteStore(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# -- files that are not ours to write --------------------------------------------------------------------------------


def rubbish(path: Path) -> None:
    path.write_bytes(b"not a database, by far" * 100)


def newer(path: Path) -> None:
    fill(path)
    edit(path, "PRAGMA user_version = 99")


def of_another_program(path: Path) -> None:
    edit(path, "CREATE TABLE mails (text)", "INSERT INTO mails VALUES ('hello')")


def damaged_in_the_middle(path: Path) -> None:
    fill(path)
    content = bytearray(path.read_bytes())
    for page in range(4, 12):
        content[page * 4096 : page * 4096 + 512] = b"\xa5" * 512
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    fill(path)
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("make", "cause", "hint"),
    [
        (rubbish, "no SQLite file", "backup"),
        (newer, r"schema version 99.*reads up to 1.*newer version wrote it", "newer version"),
        (of_another_program, "another program", "another file"),
        (damaged_in_the_middle, "damaged", "backup"),
        (cut_short, "damaged", "backup"),
    ],
)
def test_file_that_cannot_be_used_is_refused_and_stays_as_it_was(
    path: Path, make: Callable[[Path], None], cause: str, hint: str
) -> None:
    make(path)
    before = path.read_bytes()
    with pytest.raises(StartError, match=cause) as caught:
        SqliteStore(path)
    assert str(path) in caught.value.message and hint in caught.value.hint
    assert path.read_bytes() == before


def test_state_in_a_directory_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no such directory"):
        SqliteStore(tmp_path / "missing" / "state.sqlite")


def test_state_that_is_a_directory_or_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(StartError, match="not a regular file"):
            SqliteStore(other)


# -- versions of the schema ------------------------------------------------------------------------------------------

NEXT_STEPS = (*_STEPS, ("CREATE TABLE notes (text TEXT NOT NULL) STRICT", "INSERT INTO notes VALUES ('migrated')"))


def test_older_state_is_migrated_with_its_content(path: Path) -> None:
    fill(path)
    store = SqliteStore(path, steps=NEXT_STEPS)
    assert (store.load().revision, len(store.load().documents)) == (1, 100)
    store.close()
    with pytest.raises(StartError, match="schema version 2"):
        SqliteStore(path)
    SqliteStore(path, steps=NEXT_STEPS).close()  # once is enough


def test_migration_that_fails_leaves_the_older_state_whole(path: Path) -> None:
    fill(path)
    with pytest.raises(StartError, match="nonsense"):
        SqliteStore(path, steps=(*NEXT_STEPS, ("INSERT INTO nonsense VALUES (1)",)))
    store = SqliteStore(path)
    assert (store.load().revision, len(store.load().documents)) == (1, 100)
    store.close()


# -- locks -----------------------------------------------------------------------------------------------------------


def test_locked_state_is_waited_for_up_to_the_limit_and_works_again_after(path: Path, store: SqliteStore) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    started_us = time.monotonic_ns() // 1000
    with pytest.raises(StateUnavailableError, match="nothing was changed") as caught:
        store.commit(Revision(0), {"a": {}})
    assert time.monotonic_ns() // 1000 - started_us >= LOCK_LIMIT_US
    assert (caught.value.http_status, caught.value.retriable) == (503, True)
    assert "another process keeps it locked" in caught.value.message
    assert store.load().revision == 0  # readers go on
    holder.execute("ROLLBACK")
    holder.close()
    assert store.commit(Revision(0), {"a": {}}) == 1


def test_state_that_is_locked_when_it_is_opened_is_refused(path: Path) -> None:
    fill(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StartError, match="another process keeps it locked"):
        SqliteStore(path, LOCK_LIMIT_US)
    holder.close()
    SqliteStore(path, LOCK_LIMIT_US).close()


# -- changes under our feet ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_replaced", [False, True])
def test_state_that_was_moved_away_is_not_written_until_it_is_back(
    path: Path, store: SqliteStore, is_replaced: bool
) -> None:
    path.rename(path.with_suffix(".moved"))
    if is_replaced:
        path.touch()
    with pytest.raises(StateUnavailableError, match="moved away or replaced"):
        store.commit(Revision(0), {"a": {}})
    path.with_suffix(".moved").rename(path)
    assert store.commit(Revision(0), {"a": {}}) == 1


@pytest.mark.parametrize("garbage", [b"no SQLite file, by far", b""])
def test_state_that_was_overwritten_is_not_written_until_it_is_restored(
    path: Path, store: SqliteStore, garbage: bytes
) -> None:
    store.commit(Revision(0), {"a": {}})
    saved = path.read_bytes()
    with path.open("r+b") as file:  # the same file: another one in its place is another matter
        file.write(garbage)
        file.truncate(len(garbage))
    with pytest.raises(StateError, match=r"overwritten.*nothing was changed") as caught:
        store.commit(Revision(1), {"b": {}})
    assert "backup" in caught.value.hint
    with path.open("r+b") as file:
        file.write(saved)
    assert store.commit(Revision(1), {"b": {}}) == 2


@pytest.mark.parametrize("text", ["{", "[1]", "7"])
def test_document_that_is_no_json_object_is_damage(path: Path, store: SqliteStore, text: str) -> None:
    store.commit(Revision(0), {"model/svm": {}})
    edit(path, f"UPDATE documents SET text = '{text}'")
    with pytest.raises(StateError, match="'model/svm'") as caught:
        store.load()
    assert (caught.value.http_status, caught.value.retriable) == (500, False)


def test_table_that_is_gone_is_damage(path: Path, store: SqliteStore) -> None:
    edit(path, "DROP TABLE documents")
    with pytest.raises(StateError, match="documents"):
        store.load()
    with pytest.raises(StateError, match="nothing was changed"):
        store.commit(Revision(0), {"a": {}})
    assert isinstance(StateError("x"), ServerError)
