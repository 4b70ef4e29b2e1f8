"""The environment of a container, read and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_containers.settings import ContainerSettings, SettingsError

GOOD = {
    "CLIPPER_RPC_ADDRESS": "ipc:///tmp/a, ipc:///tmp/b",
    "CLIPPER_MODEL_NAME": "digits",
    "CLIPPER_MODEL_VERSION": "2",
    "CLIPPER_INPUT_TYPE": "floats",
    "CLIPPER_REPLICA_ID": "digits:2:0",
    "CLIPPER_MODEL_PATH": "/models/digits",
    "CLIPPER_RPC_ORPHAN_EXIT_US": "5000000",
}


def test_settings_are_read_from_the_environment() -> None:
    settings = ContainerSettings.from_environment(GOOD)
    assert settings.addresses == ("ipc:///tmp/a", "ipc:///tmp/b")
    assert (settings.model, settings.version, settings.replica_id) == ("digits", "2", "digits:2:0")
    assert (settings.input_type, settings.model_path) == ("floats", Path("/models/digits"))
    assert settings.limits.orphan_exit_us == 5_000_000


def test_settings_without_a_replica_id_name_one_that_no_other_process_has() -> None:
    environment = {**GOOD, "CLIPPER_REPLICA_ID": ""}
    first, second = (ContainerSettings.from_environment(environment) for _ in range(2))
    assert first.replica_id.startswith("digits:2:")
    assert first.replica_id != second.replica_id
    assert first.nonce != second.nonce


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIPPER_RPC_ADDRESS", ""),
        ("CLIPPER_RPC_ADDRESS", " , "),
        ("CLIPPER_RPC_ADDRESS", "localhost:7000"),
        ("CLIPPER_MODEL_NAME", ""),
        ("CLIPPER_MODEL_VERSION", ""),
        ("CLIPPER_INPUT_TYPE", "complex"),
        ("CLIPPER_RPC_ORPHAN_EXIT_US", "soon"),
        ("CLIPPER_RPC_ORPHAN_EXIT_US", "0"),
    ],
)
def test_settings_unusable_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError):
        ContainerSettings.from_environment({**GOOD, name: value})


def test_settings_missing_model_file_is_named(tmp_path: Path) -> None:
    settings = ContainerSettings.from_environment({**GOOD, "CLIPPER_MODEL_PATH": str(tmp_path)})
    with pytest.raises(SettingsError, match=r"model\.pkl"):
        settings.model_file("model.pkl")
