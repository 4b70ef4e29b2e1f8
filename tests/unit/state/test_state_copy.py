"""Copies of a state: a backup made while it is in use, the way back, and the way to another kind of store."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipper.state import copy
from clipper.state.open import open_store
from clipper.state.store import StateStore, StoredState
from clipper.types import Revision
from tests.support.redis_server import NEEDS_REDIS, RedisServer

DOCUMENTS = {f"model/{number}": {"number": number, "text": "é"} for number in (3, 1, 2)}


@pytest.fixture
def source(tmp_path: Path) -> Iterator[StateStore]:
    store = open_store("sqlite:used.sqlite", tmp_path)
    store.commit(Revision(0), DOCUMENTS, Revision(6))
    yield store
    store.close()


def content(url: str, tmp_path: Path) -> StoredState:
    store = open_store(url, tmp_path)
    try:
        return store.load()
    finally:
        store.close()


def test_backup_of_a_state_in_use_is_the_same_state(
    source: StateStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = f"sqlite:{tmp_path}/backup.sqlite"
    assert copy.main([source.url, backup]) == 0
    assert capsys.readouterr().out == f"copied revision 7 with 3 documents from {source.url} to {backup}\n"
    assert content(backup, tmp_path) == source.load()
    assert list(source.load().documents) == list(DOCUMENTS)


@NEEDS_REDIS
def test_state_moves_to_redis_and_back_with_the_password_on_standard_input(
    source: StateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with RedisServer(tmp_path, password="hunter2") as server:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{server.url('moved')}\n" * 2))
        assert copy.main([source.url, "-"]) == 0
        assert copy.main(["-", f"sqlite:{tmp_path}/back.sqlite"]) == 0
        assert content(server.url("moved"), tmp_path) == source.load()
    assert content(f"sqlite:{tmp_path}/back.sqlite", tmp_path) == source.load()
    assert "hunter2" not in "".join(capsys.readouterr())


def test_state_that_is_not_empty_is_not_written_over(
    source: StateStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = open_store("sqlite:other.sqlite", tmp_path)
    target.commit(Revision(0), {"a": {}})
    assert copy.main([source.url, target.url]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert target.load().documents == {"a": {}}
    target.close()


def test_source_that_is_missing_or_empty_is_an_error_and_makes_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = f"sqlite:{tmp_path}/target.sqlite"
    assert copy.main([f"sqlite:{tmp_path}/missing.sqlite", target]) == 1
    assert "there is no file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    open_store("sqlite:empty.sqlite", tmp_path).close()
    assert copy.main([f"sqlite:{tmp_path}/empty.sqlite", target]) == 1
    assert "is empty" in capsys.readouterr().err
    assert copy.main(["postgres://h", target]) == 1
    assert "no kind of store" in capsys.readouterr().err
    assert copy.main([f"sqlite:{tmp_path}/empty.sqlite", ""]) == 1
    assert "a URL is empty" in capsys.readouterr().err
