"""The keys of the RPC over TCP, as they are made and read on both sides; and the command that makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipper.errors import InvalidArgumentError
from clipper.security.__main__ import main
from clipper.security.rpc_keys import AUTHORIZED_NAME, FRONTEND_KEYS_NAME, make_rpc_keys, read_frontend_keys
from clipper.security.tokens import read_tokens
from model_containers.rpc_keys import read_container_keys


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    make_rpc_keys(tmp_path / "keys")
    return tmp_path / "keys"


def secret_of(path: Path) -> str:
    return path.read_text().split("secret_key ")[1].split()[0]


def test_made_keys_fit_each_other_and_are_private(directory: Path) -> None:
    frontend, container = read_frontend_keys(directory), read_container_keys(directory / "container.keys")
    assert container.frontend_public_key == frontend.public_key
    assert frontend.authorized.value() == {container.public_key: "container"}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_further_container_gets_keys_of_its_own_and_those_before_stay(directory: Path) -> None:
    before = read_frontend_keys(directory)
    second = read_container_keys(make_rpc_keys(directory, "gpu-host.example"))
    after = read_frontend_keys(directory)
    assert (after.public_key, after.secret_key) == (before.public_key, before.secret_key)
    assert after.authorized.value()[second.public_key] == "gpu-host.example"
    assert set(before.authorized.value().values()) == {"container", "gpu-host.example"}  # the same file, read again


@pytest.mark.parametrize("name", ["", "frontend", "-a", "A", "a/b", "a b", "..", "a" * 64])
def test_container_name_that_is_not_usable_is_refused(directory: Path, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="not valid"):
        make_rpc_keys(directory, name)


def test_name_that_is_taken_is_refused(directory: Path) -> None:
    (directory / "container.keys").rename(directory / "moved")
    with pytest.raises(InvalidArgumentError, match="has a container 'container' already"):
        make_rpc_keys(directory)


def test_keys_are_not_shown_by_repr(directory: Path) -> None:
    shown = repr(read_frontend_keys(directory)) + repr(read_container_keys(directory / "container.keys"))
    assert secret_of(directory / FRONTEND_KEYS_NAME) not in shown
    assert secret_of(directory / "container.keys") not in shown


def test_frontend_keys_open_to_others_or_changeable_by_them_are_refused(directory: Path) -> None:
    (directory / AUTHORIZED_NAME).chmod(0o620)
    with pytest.raises(InvalidArgumentError, match="others may change it"):
        read_frontend_keys(directory)
    (directory / FRONTEND_KEYS_NAME).chmod(0o644)
    with pytest.raises(InvalidArgumentError, match="0644, expected 0600"):
        read_frontend_keys(directory)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("secret_key ", "secret_kez ", "has no secret_key"),
        ("secret_key ", "secret_key ~", "has no valid secret_key"),
        ("public_key ", "public_key a ", "line 2"),
        ("secret_key ", "public_key ", "line 3"),
    ],
)
def test_garbled_frontend_keys_are_refused_without_quoting_them(
    directory: Path, old: str, new: str, problem: str
) -> None:
    path = directory / FRONTEND_KEYS_NAME
    secret = secret_of(path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InvalidArgumentError, match=problem) as caught:
        read_frontend_keys(directory)
    assert secret not in str(caught.value)


def test_keys_of_two_frontends_mixed_up_are_refused(directory: Path, tmp_path: Path) -> None:
    make_rpc_keys(tmp_path / "other")
    path = directory / FRONTEND_KEYS_NAME
    path.write_text(path.read_text().replace(secret_of(path), secret_of(tmp_path / "other" / FRONTEND_KEYS_NAME)))
    with pytest.raises(InvalidArgumentError, match="no pair"):
        read_frontend_keys(directory)


def test_command_makes_keys_and_tokens_and_prints_paths_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rpc-keys", str(tmp_path / "keys")]) == 0
    assert main(["token", str(tmp_path / "token")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "keys/container.keys"), str(tmp_path / "token")]
    assert main(["token", str(tmp_path / "token")]) == 1
    assert "exists already" in capsys.readouterr().err
    assert len(read_tokens(tmp_path / "token")) == 1
