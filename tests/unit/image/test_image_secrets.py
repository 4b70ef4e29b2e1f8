"""Mounted secrets become files and options that Clipper takes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.errors import InvalidArgumentError
from clipper.image.secrets import FILE_SECRETS, take_secrets
from clipper.security.secret_files import MAX_SECRET_FILE_BYTES
from clipper.security.tokens import read_tokens
from clipper.state.redis_url import parse_redis_url

TOKEN = "a" * 40
STATE_URL = "CLIPPER_STATE__URL"
TOKEN_FILE = FILE_SECRETS["management_token"]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    directory = tmp_path / "mounted"
    directory.mkdir()
    return directory


def mount(directory: Path, name: str, text: str) -> None:
    """As Docker does it: whoever is in the container may read it."""
    (directory / name).write_text(text)
    (directory / name).chmod(0o644)


def test_mounted_token_is_copied_to_where_only_clipper_reads_it(secrets: Path, tmp_path: Path) -> None:
    mount(secrets, "management_token", f"{TOKEN}\n")
    run_dir = tmp_path / "run"
    made = take_secrets({"OTHER": "kept"}, run_dir, secrets)
    copy = Path(made[TOKEN_FILE])
    assert copy.is_relative_to(run_dir) and read_tokens(copy) == (TOKEN,)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600 and stat.S_IMODE(run_dir.stat().st_mode) == 0o700
    assert made["OTHER"] == "kept" and STATE_URL not in made


def test_token_that_was_rotated_is_copied_again_at_the_next_start(secrets: Path, tmp_path: Path) -> None:
    for token in (TOKEN, "b" * 40):
        mount(secrets, "management_token", token)
        made = take_secrets({}, tmp_path / "run", secrets)
        assert read_tokens(Path(made[TOKEN_FILE])) == (token,)


def test_without_a_token_one_is_made_once_and_kept(secrets: Path, tmp_path: Path) -> None:
    first = take_secrets({}, tmp_path / "run", secrets)[TOKEN_FILE]
    (token,) = read_tokens(Path(first))
    assert take_secrets({}, tmp_path / "run", secrets)[TOKEN_FILE] == first
    assert read_tokens(Path(first)) == (token,)


def test_token_file_that_the_environment_names_is_left_to_it(secrets: Path, tmp_path: Path) -> None:
    made = take_secrets({TOKEN_FILE: "/etc/mine"}, tmp_path / "run", secrets)
    assert made[TOKEN_FILE] == "/etc/mine"
    mount(secrets, "management_token", TOKEN)
    with pytest.raises(InvalidArgumentError, match=f"'management_token' and the variable {TOKEN_FILE}"):
        take_secrets({TOKEN_FILE: "/etc/mine"}, tmp_path / "run", secrets)


def test_certificate_and_key_come_likewise(secrets: Path, tmp_path: Path) -> None:
    mount(secrets, "tls_certificate", "certificate")
    mount(secrets, "tls_key", "key")
    made = take_secrets({}, tmp_path / "run", secrets)
    assert Path(made["CLIPPER_SECURITY__TLS_CERTIFICATE_FILE"]).read_text() == "certificate"
    assert Path(made["CLIPPER_SECURITY__TLS_KEY_FILE"]).read_text() == "key"


@given(password=st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=1))
def test_password_of_the_state_is_put_into_its_url_whatever_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, password: str
) -> None:
    directory = tmp_path_factory.mktemp("any")
    mount(directory, "state_password", f"{password}\n")
    for url, user in (("redis://redis:6379/2?prefix=a", None), ("rediss://me@[::1]", "me")):
        address = parse_redis_url(take_secrets({STATE_URL: url}, directory / "run", directory)[STATE_URL])
        assert (address.password, address.username) == (password, user)
        assert address.url.split("?")[0].startswith(parse_redis_url(url).url.split("?")[0])


@pytest.mark.parametrize("url", ["", "memory:", "sqlite:/a", "redis:", "redis://[::1"])
def test_password_without_a_redis_to_use_it_for_is_refused(secrets: Path, tmp_path: Path, url: str) -> None:
    mount(secrets, "state_password", "hidden")
    with pytest.raises(InvalidArgumentError, match="names no Redis server") as raised:
        take_secrets({STATE_URL: url}, tmp_path / "run", secrets)
    assert "hidden" not in str(raised.value)


def test_two_passwords_are_refused_and_neither_is_quoted(secrets: Path, tmp_path: Path) -> None:
    mount(secrets, "state_password", "hidden")
    with pytest.raises(InvalidArgumentError, match="has a password, too") as raised:
        take_secrets({STATE_URL: "redis://:secret@redis"}, tmp_path / "run", secrets)
    assert "hidden" not in str(raised.value) and "secret@" not in str(raised.value)


@pytest.mark.parametrize("text", ["", " \n", "é" * 40, "a" * (MAX_SECRET_FILE_BYTES + 1)])
def test_secret_that_is_empty_too_long_or_no_ascii_is_refused(secrets: Path, tmp_path: Path, text: str) -> None:
    mount(secrets, "management_token", text)
    with pytest.raises(InvalidArgumentError, match=f"expected 1 to {MAX_SECRET_FILE_BYTES} bytes"):
        take_secrets({}, tmp_path / "run", secrets)


def test_longest_secret_is_taken(secrets: Path, tmp_path: Path) -> None:
    mount(secrets, "tls_certificate", "a" * MAX_SECRET_FILE_BYTES)
    made = take_secrets({}, tmp_path / "run", secrets)
    assert Path(made["CLIPPER_SECURITY__TLS_CERTIFICATE_FILE"]).stat().st_size == MAX_SECRET_FILE_BYTES


def test_secret_that_cannot_be_read_is_told_with_what_to_do(secrets: Path, tmp_path: Path) -> None:
    (secrets / "management_token").mkdir()
    with pytest.raises(InvalidArgumentError, match="cannot be read by the user") as raised:
        take_secrets({}, tmp_path / "run", secrets)
    assert "chmod 644" in str(raised.value.hint)
