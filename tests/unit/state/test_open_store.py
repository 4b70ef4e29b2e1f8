"""From the URL to the store, and what is wrong with a URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipper.errors import InvalidArgumentError
from clipper.state.open import LEARNER, open_store
from clipper.state.redis_url import RedisAddress, parse_redis_url


def test_empty_url_is_a_file_in_the_run_directory(tmp_path: Path) -> None:
    store = open_store("", tmp_path)
    assert store.url == f"sqlite:{tmp_path}/state.sqlite"
    store.close()


@pytest.mark.parametrize("form", ["sqlite:{}/x.db", "sqlite://{}/x.db"])
def test_sqlite_url_names_a_file(tmp_path: Path, form: str) -> None:
    store = open_store(form.format(tmp_path), tmp_path / "elsewhere")
    assert store.url == f"sqlite:{tmp_path}/x.db"
    store.close()


def test_relative_sqlite_path_is_in_the_run_directory(tmp_path: Path) -> None:
    store = open_store("sqlite:x.db", tmp_path)
    assert (tmp_path / "x.db").exists()
    store.close()


@pytest.mark.parametrize(
    ("url", "file"),
    [("", "state-learner.sqlite"), ("sqlite:x.db", "x-learner.db"), ("sqlite:plain", "plain-learner")],
)
def test_store_of_the_learners_is_a_file_beside_the_registry_s(tmp_path: Path, url: str, file: str) -> None:
    store = open_store(url, tmp_path, part=LEARNER)
    assert store.url == f"sqlite:{tmp_path}/{file}"
    store.close()


def test_memory_url_is_a_store_in_memory(tmp_path: Path) -> None:
    assert open_store("memory:", tmp_path).url == "memory:"


@pytest.mark.parametrize("url", ["sqlite", "sqlite:", "sqlite://host/x", "memory:x", "postgres://u:hunter2@h", "x:y"])
def test_url_of_no_store_is_refused_with_the_forms_there_are(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="no kind of store") as caught:
        open_store(url, tmp_path)
    assert "sqlite:PATH" in caught.value.hint and "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", RedisAddress("h")),
        ("redis://h:1/2?prefix=a.b", RedisAddress("h", 1, 2, "a.b")),
        ("redis://:p%40ss%2f@h/", RedisAddress("h", password="p@ss/")),
        ("rediss://me:pw@[::1]:7/3", RedisAddress("::1", 7, 3, username="me", password="pw", is_tls=True)),
    ],
)
def test_redis_url_is_taken_apart(url: str, address: RedisAddress) -> None:
    assert parse_redis_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:///0",
        "redis://:hunter2@:6379/0",
        "redis://:hun/ter2@h:6379/0",
        "redis://:hun?ter2@h:6379/0",
        "redis://:1?hunter2=3@h/0",
        "redis://u:1/hunter2@h/0",
        "redis://:hunter2@h:70000",
        "redis://:hunter2@h:x",
        "redis://:hunter2@h/x",
        "redis://:hunter2@h/-1",
        "redis://:hunter2@h/99999999999",
        "redis://:hunter2@h/0#hunter2",
        "redis://:hunter2@h/0?prefix=",
        "redis://:hunter2@h/0?prefix=a%20b",
        f"redis://:hunter2@h/0?prefix={'a' * 64}",
        "redis://:hunter2@h/0?db=1",
        "redis://:hunter2@[h/0",
    ],
)
def test_redis_url_of_another_form_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="state in Redis is not valid") as caught:
        parse_redis_url(url)
    assert caught.value.__cause__ is None
    assert not any(piece in str(caught.value) for piece in ("hunter2", "ter2", "hun"))


def test_address_shows_no_password() -> None:
    address = parse_redis_url("redis://user:hunter2@h:1/2?prefix=p")
    assert address.url == "redis://h:1/2?prefix=p"
    assert "hunter2" not in repr(address)
    assert address.without_password("AUTH hunter2 failed") == "AUTH *** failed"
    assert parse_redis_url("rediss://[::1]").url == "rediss://[::1]:6379/0?prefix=clipper"
