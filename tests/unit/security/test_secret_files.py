"""Files of secrets: who may read them, and what happens when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipper.errors import InvalidArgumentError
from clipper.security.secret_files import (
    MAX_SECRET_FILE_BYTES,
    WatchedFile,
    read_secret_file,
    read_trusted_file,
    write_secret_file,
)


def secret(path: Path, text: str = "word", mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_secret_file_of_its_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert read_secret_file(secret(tmp_path / "s", mode=mode), "file") == "word"


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o610, 0o602])
def test_secret_file_open_to_others_is_refused_and_not_quoted(tmp_path: Path, mode: int) -> None:
    path = secret(tmp_path / "s", "hush-hush", mode)
    with pytest.raises(InvalidArgumentError, match=f"{mode:04o}, expected 0600") as caught:
        read_secret_file(path, "file")
    assert caught.value.hint == f"chmod 600 {path}"
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(("mode", "is_read"), [(0o644, True), (0o600, True), (0o664, False), (0o646, False)])
def test_trusted_file_may_be_read_but_not_changed_by_others(tmp_path: Path, mode: int, is_read: bool) -> None:
    path = secret(tmp_path / "s", mode=mode)
    if is_read:
        assert read_trusted_file(path, "file") == "word"
        return
    with pytest.raises(InvalidArgumentError, match="others may change it"):
        read_trusted_file(path, "file")


def test_secret_that_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="does not exist"):
        read_secret_file(tmp_path / "nowhere", "file")
    with pytest.raises(InvalidArgumentError, match="no regular file"):
        read_secret_file(tmp_path, "file")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(InvalidArgumentError, match="no regular file"):
        read_secret_file(tmp_path / "pipe", "file")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    with pytest.raises(InvalidArgumentError, match="no text"):
        read_secret_file(tmp_path / "binary", "file")


def test_secret_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = secret(tmp_path / "s")
    status = os.stat_result((0o100600, 1, 1, 1, 4_321, 0, 4, 0, 0, 0))
    monkeypatch.setattr(os, "fstat", lambda _descriptor: status)
    with pytest.raises(InvalidArgumentError, match="belongs to the user 4321"):
        read_secret_file(path, "file")


@pytest.mark.parametrize(("extra", "is_read"), [(0, True), (1, False)])
def test_secret_file_is_read_up_to_its_limit(tmp_path: Path, extra: int, is_read: bool) -> None:
    path = secret(tmp_path / "s", "x" * (MAX_SECRET_FILE_BYTES + extra))
    if is_read:
        assert len(read_secret_file(path, "file")) == MAX_SECRET_FILE_BYTES
        return
    with pytest.raises(InvalidArgumentError, match=f"longer than {MAX_SECRET_FILE_BYTES}"):
        read_secret_file(path, "file")


def test_written_secret_is_private_whatever_the_umask_and_replaces_nothing(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_secret_file(tmp_path / "s", "first")
    finally:
        os.umask(before)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InvalidArgumentError, match="exists already"):
        write_secret_file(tmp_path / "s", "second")
    with pytest.raises(InvalidArgumentError, match="cannot be created"):
        write_secret_file(tmp_path / "no" / "where", "x")
    assert (tmp_path / "s").read_text() == "first"


def read(path: Path) -> str:
    return read_secret_file(path, "file")


def test_watched_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = secret(tmp_path / "s", "one")
    watched = WatchedFile(path, read)
    assert watched.value() == "one"
    secret(tmp_path / "new", "two").replace(path)
    assert watched.value() == "two"


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.chmod(0o644)], ids=["gone", "open"])
def test_watched_file_that_became_unusable_gives_no_value_until_it_is_mended(
    tmp_path: Path, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    path = secret(tmp_path / "s", "one")
    watched = WatchedFile(path, read)
    spoil(path)  # type: ignore[operator]
    for _ in range(3):
        with pytest.raises(InvalidArgumentError):
            watched.value()
    assert len(caplog.records) == 1  # said once, and not for each request
    secret(tmp_path / "new", "two").replace(path)
    assert watched.value() == "two"


def test_watched_file_must_be_usable_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError):
        WatchedFile(tmp_path / "nowhere", read)
