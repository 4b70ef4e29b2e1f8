"""The file that CLIPPER_RPC_KEYS names, as a container reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import zmq

from model_containers.connection import connect
from model_containers.rpc_keys import MAX_KEY_FILE_BYTES, RpcKeysError, read_container_keys
from model_containers.settings import ContainerSettings, SettingsError

TCP = {"CLIPPER_RPC_ADDRESS": "tcp://10.0.0.1:7000", "CLIPPER_MODEL_NAME": "m", "CLIPPER_MODEL_VERSION": "1"}
FRONTEND, (PUBLIC, SECRET) = zmq.curve_keypair()[0], zmq.curve_keypair()


def write_keys(path: Path, text: str | None = None, mode: int = 0o600) -> Path:
    keys = {"frontend_public_key": FRONTEND, "public_key": PUBLIC, "secret_key": SECRET}
    path.write_text(text or "# mine\n" + "".join(f"{name} {key.decode()}\n" for name, key in keys.items()))
    path.chmod(mode)
    return path


def test_keys_are_read_and_not_shown(tmp_path: Path) -> None:
    settings = ContainerSettings.from_environment({**TCP, "CLIPPER_RPC_KEYS": str(write_keys(tmp_path / "k"))})
    assert settings.keys is not None
    assert (settings.keys.frontend_public_key, settings.keys.public_key) == (FRONTEND, PUBLIC)
    assert settings.keys.secret_key == SECRET
    assert SECRET.decode() not in repr(settings)


def test_tcp_without_keys_is_refused_and_a_unix_socket_needs_none(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SettingsError, match=r"CLIPPER_RPC_KEYS is not set.* tcp://10"):
        ContainerSettings.from_environment(TCP)
    assert ContainerSettings.from_environment({**TCP, "CLIPPER_RPC_ADDRESS": "ipc:///tmp/a"}).keys is None
    connect("tcp://127.0.0.1:1", 1, None).close(0)  # as an ASSIGN might ask for it
    assert "CLIPPER_RPC_KEYS is not set" in caplog.text


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_keys_open_to_others_are_refused(tmp_path: Path, mode: int) -> None:
    path = write_keys(tmp_path / "k", mode=mode)
    with pytest.raises(SettingsError, match=f"CLIPPER_RPC_KEYS: .* has the mode {mode:04o}"):
        ContainerSettings.from_environment({**TCP, "CLIPPER_RPC_KEYS": str(path)})


def test_keys_that_are_missing_or_garbled_are_refused_without_quoting_them(tmp_path: Path) -> None:
    with pytest.raises(RpcKeysError, match="cannot be opened: No such file"):
        read_container_keys(tmp_path / "nowhere")
    with pytest.raises(RpcKeysError, match="no regular file"):
        read_container_keys(tmp_path)
    good = write_keys(tmp_path / "k").read_text()
    for text, missing in (
        ("empty", "frontend_public_key"),
        (good.replace("secret_key", "secret"), "secret_key"),
        (good.replace("\npublic_key ", "\npublic_key x"), "public_key"),
        ("#" * MAX_KEY_FILE_BYTES + good, "frontend_public_key"),
    ):
        with pytest.raises(RpcKeysError, match=f"no valid {missing}") as caught:
            read_container_keys(write_keys(tmp_path / "k", text))
        assert SECRET.decode() not in str(caught.value)
