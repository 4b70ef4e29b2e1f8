"""The configuration as people see it: rows, a file that says it all, and the example of every option."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from clipper.config import (
    ClipperConfig,
    SecurityConfig,
    StateConfig,
    config_toml,
    effective_rows,
    example_toml,
    keys,
    load_config,
    value_of,
)
from clipper.config.rendering import in_larger_units

HOME = {"HOME": "/h/nobody"}


def uncommented(example: str) -> str:
    """Return the example as it is when somebody takes every option's "# " away."""
    return re.sub(r"^# (\w+ = )", r"\1", example, flags=re.MULTILINE)


def test_example_as_it_is_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "clipper.toml"
    file.write_text(example_toml())
    loaded = load_config(file=file, environment=HOME, overrides={})
    assert loaded.config == load_config(file=Path("/dev/null"), environment=HOME, overrides={}).config
    assert {origin.kind for origin in loaded.origins.values()} == {"default"}


def test_example_with_every_option_uncommented_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "clipper.toml"
    file.write_text(uncommented(example_toml()))
    loaded = load_config(file=file, environment=HOME, overrides={}, run_dir=Path("/run/x"))
    origins = [origin.kind for name, origin in loaded.origins.items() if name != "run_dir"]
    assert set(origins) == {"file"}
    wrong = {
        name: value_of(loaded.config, key)
        for name, key in keys().items()
        # The programs of this machine stand in the example in general terms.
        if key.section and key.name != "command" and value_of(loaded.config, key) != key.default
    }
    assert wrong == {}
    assert loaded.config.frontend.command == ("python", *keys()["frontend.command"].default[1:])


def test_example_says_every_option_with_its_meaning_and_fits_a_screen() -> None:
    example = example_toml()
    flat = " ".join(example.replace("\n## ", " ").split())
    for name, key in keys().items():
        assert key.about.meaning in flat, name
        assert re.search(rf"^# {key.name} = ", example, re.MULTILINE), name
    assert max(map(len, example.splitlines())) <= 120


def test_rows_name_every_option_with_value_and_origin() -> None:
    loaded = load_config(
        environment={**HOME, "CLIPPER_STATE__URL": "redis://:secret@host"}, overrides={"http.max_body_bytes": "1048576"}
    )
    rows = {row.key: row for row in effective_rows(loaded.config, loaded.origins)}
    assert list(rows) == list(keys())
    assert (rows["http.max_body_bytes"].value, rows["http.max_body_bytes"].origin) == (
        "1_048_576",
        "command line (--set http.max_body_bytes)",
    )
    assert rows["state.url"].value == '"redis://***@host"'
    assert rows["listen.query_host"].origin == "default"


def test_password_is_masked_in_rows_and_whole_in_the_file() -> None:
    config = ClipperConfig(Path("/run/x"), state=StateConfig("redis://:secret@host"))
    assert "secret" not in repr(effective_rows(config, dict.fromkeys(keys(), "")))
    assert tomllib.loads(config_toml(config))["state"]["url"] == "redis://:secret@host"


def test_repr_of_a_configuration_tells_no_password() -> None:
    assert "secret" not in repr(ClipperConfig(Path("/run/x"), state=StateConfig("redis://:secret@host")))


def test_file_of_a_configuration_gives_it_again(tmp_path: Path) -> None:
    config = ClipperConfig(tmp_path, security=SecurityConfig(rpc_keys_dir=tmp_path / 'k"ey\\s\n\x7f'))
    file = tmp_path / "clipper.toml"
    file.write_text(config_toml(config))
    assert load_config(file=file, environment={}, overrides={}).config == config


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("http.max_body_bytes", "16 MiB"),
        ("http.idle_timeout_us", "75 s"),
        ("management.ready_limit_us", "1 min"),
        ("management.staging_ttl_us", "1 h"),
        ("core.reply_margin_us", ""),
        ("listen.query_port", ""),
    ],
)
def test_default_is_shown_in_the_largest_unit_without_a_fraction(name: str, shown: str) -> None:
    assert in_larger_units(keys()[name]) == shown
