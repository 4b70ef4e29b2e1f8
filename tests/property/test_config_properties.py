"""Configuration against an obvious twin: the order of sources, any text at all, and a trip through a file and back."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clipper.config import ClipperConfig, config_toml, keys, load_config, parse_config, value_of
from clipper.config.keys import Key, sections
from clipper.config.option import LARGEST_INTEGER, LONGEST_DURATION_US
from clipper.config.values import to_toml
from clipper.errors import ClipperError, InvalidArgumentError

NAMES = sorted(keys())
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)
WORDS = st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
HOSTS = st.sampled_from(["localhost", "127.0.0.1", "::1", "a.example", "10.0.0.1"])
LOOPBACKS = st.sampled_from(["localhost", "127.0.0.1", "::1"])
URLS = st.sampled_from(["", "memory:", "sqlite:/x y", "redis://:p%40@h:1/2?prefix=a", "rediss://[::1]"])
PATHS = TEXTS.map(lambda text: Path("/p") / text.lstrip("/"))
# Options that other ones of their section limit, or that only some texts are: the rest follows from the declaration.
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "run_dir": st.text("abc é", min_size=1, max_size=9).map(lambda name: Path("/run") / name),
    "listen.query_host": LOOPBACKS,
    "listen.management_host": LOOPBACKS,
    "listen.allowed_hosts": st.lists(HOSTS, max_size=3).map(tuple),
    "http.max_body_bytes": st.integers(1, 1 << 24),
    "http.max_buffered_body_bytes": st.integers(1 << 24, LARGEST_INTEGER),
    "rpc.tcp_host": st.just(""),
    "rpc.heartbeat_interval_us": st.integers(10_000, 500_000),
    "rpc.look_interval_us": st.integers(10_000, 200_000),
    "rpc.heartbeat_timeout_us": st.integers(400_000, LONGEST_DURATION_US),
    "supervisor.restart_backoff_min_us": st.integers(1, 100_000),
    "supervisor.restart_backoff_max_us": st.integers(100_000, LONGEST_DURATION_US),
    "management.replace_backoff_min_us": st.integers(1, 100_000),
    "management.replace_backoff_max_us": st.integers(100_000, LONGEST_DURATION_US),
    "management.gpu_devices": st.lists(st.from_regex(r"[0-9]{1,2}", fullmatch=True), unique=True, max_size=3).map(tuple)
    | st.just(("none",)),
    "management.containers": st.dictionaries(TEXTS.filter(bool), WORDS, max_size=3),
    "docker.cluster_name": st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}", fullmatch=True),
    "docker.network": st.from_regex(r"net[a-zA-Z0-9_.-]{0,60}", fullmatch=True),
    "docker.host": st.sampled_from(["", "unix:///run/d.sock", "tcp://h:2375"]),
    "docker.user": st.sampled_from(["", "0:0", "65532:1"]),
    "docker.extra_container_kwargs": st.sampled_from(["", '{"hostname": "é\\n"}', "{}"]),
    "docker.rpc": st.just("ipc"),
    "state.url": URLS,
    "security.tls_certificate_file": st.none(),
    "security.tls_key_file": st.none(),
}


def values_of(key: Key) -> st.SearchStrategy[Any]:
    """Any valid value of an option."""
    if str(key) in SPECIAL:
        return SPECIAL[str(key)]
    known = key.about
    if known.choices:
        return st.sampled_from(known.choices)
    if key.kind is bool:
        return st.booleans()
    if key.kind is int:
        return st.integers(known.minimum, known.maximum)
    if key.kind is float:
        return st.floats(known.minimum, known.maximum)
    if key.kind is str:
        return TEXTS
    return WORDS if key.name == "command" else st.none() | PATHS


# A few options at a time, the others at their defaults: all of them in each example take long to draw.
SOME = st.lists(st.sampled_from(NAMES), unique=True, max_size=6).flatmap(
    lambda chosen: st.fixed_dictionaries({name: values_of(keys()[name]) for name in chosen})
)
CONFIGS = SOME.map(lambda values: {"run_dir": Path("/run/x"), **values})


def build(values: dict[str, Any]) -> ClipperConfig:
    """The twin of the loader: each section from its own values."""
    made = {
        section: owner(
            **{key.name: values[name] for name, key in keys().items() if key.section == section and name in values}
        )
        for section, owner in sections().items()
    }
    return ClipperConfig(values["run_dir"], **made)


def as_text(value: Any) -> str:
    """Return a value as the environment and the command line have it."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return shlex.join(value)
    return to_toml(value) if isinstance(value, dict | bool) else str(value)


def as_file(values: dict[str, Any]) -> str:
    lines = [f"{to_toml(name) if '.' not in name else name} = {to_toml(value)}" for name, value in values.items()]
    return "\n".join(lines).replace('"run_dir" =', "run_dir =")


@contextlib.contextmanager
def toml_file(content: str) -> Any:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "clipper.toml"
        path.write_text(content, encoding="utf-8", newline="")
        yield path


@given(CONFIGS)
def test_config_written_as_toml_is_read_back_equal(values: dict[str, Any]) -> None:
    config = build(values)
    with toml_file(config_toml(config)) as path:
        assert load_config(file=path, environment={}, overrides={}).config == config


@given(CONFIGS, st.booleans())
def test_config_written_as_json_is_read_back_equal(values: dict[str, Any], removes: bool) -> None:
    config = dataclasses.replace(build(values), remove_run_dir=removes)
    assert parse_config(config.to_json(), config.run_dir, "it") == config


@given(SOME, SOME, SOME)
def test_strongest_source_that_has_a_value_is_the_one_that_counts(
    in_file: dict[str, Any], in_environment: dict[str, Any], on_command_line: dict[str, Any]
) -> None:
    environment = {keys()[name].variable: as_text(value) for name, value in in_environment.items()}
    overrides = {name: as_text(value) for name, value in on_command_line.items()}
    with toml_file(as_file(in_file)) as path:
        loaded = load_config(file=path, environment={"HOME": "/h", **environment}, overrides=overrides)
    said = {**in_file, **in_environment, **on_command_line}
    assert loaded.config == build({"run_dir": Path("/h/.local/state/clipper/default"), **said})
    for name in NAMES:
        kind = (
            "command line" if name in on_command_line
            else "environment" if name in in_environment
            else "file" if name in in_file
            else "default"
        )  # fmt: skip
        assert loaded.origins[name].kind == kind
        if kind == "file":
            assert loaded.origins[name].detail == f"{path}:{list(in_file).index(name) + 1}"


@given(st.sampled_from(NAMES), st.text(max_size=20) | st.integers().map(str) | st.sampled_from(["[", "{", "'", "~x"]))
def test_any_text_is_taken_or_refused_with_the_name_of_its_option(name: str, text: str) -> None:
    sources: list[dict[str, Any]] = [
        {"environment": {"HOME": "/h", keys()[name].variable: text}, "overrides": {}},
        {"environment": {"HOME": "/h"}, "overrides": {name: text}},
    ]
    outcomes = []
    for source in sources:
        try:
            outcomes.append(value_of(load_config(file=Path("/dev/null"), **source).config, keys()[name]))
        except InvalidArgumentError as error:
            outcomes.append(keys()[name].name in str(error))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0] is not False or keys()[name].kind is bool


@given(st.text(max_size=60) | SOME.map(as_file).flatmap(lambda text: st.integers(0, len(text)).map(lambda n: text[n:])))
def test_any_file_is_taken_or_refused(content: str) -> None:
    with contextlib.suppress(ClipperError), toml_file(content.encode(errors="replace").decode()) as path:
        load_config(file=path, environment={"HOME": "/h"}, overrides={})


@given(st.dictionaries(TEXTS, TEXTS, max_size=3), st.dictionaries(st.text(max_size=20), TEXTS, max_size=2))
def test_any_names_are_taken_or_refused(variables: dict[str, str], overrides: dict[str, str]) -> None:
    environment = {"HOME": "/h", **{f"CLIPPER_{name.upper()}__X": value for name, value in variables.items()}}
    with contextlib.suppress(InvalidArgumentError):
        load_config(file=Path("/dev/null"), environment=environment, overrides=overrides)
        assert not variables and not overrides
