"""Where values come from: the order of the sources, what each accepts, and errors that say where to look."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clipper.config import ClipperConfig, LoadedConfig, default_run_dir, find_config_file, keys, load_config
from clipper.config.sources import MAX_FILE_BYTES
from clipper.errors import InvalidArgumentError

NOBODY: Mapping[str, str] = {"HOME": "/h/nobody"}


@pytest.fixture(autouse=True)
def in_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(
    file: str | bytes = "", variables: Mapping[str, str] | None = None, overrides: Mapping[str, str] | None = None
) -> LoadedConfig:
    path = Path("given.toml")
    path.write_bytes(file if isinstance(file, bytes) else file.encode())
    return load_config(file=path, environment={**NOBODY, **(variables or {})}, overrides=overrides or {})


def refusal(
    file: str | bytes = "", variables: Mapping[str, str] | None = None, overrides: Mapping[str, str] | None = None
) -> str:
    with pytest.raises(InvalidArgumentError) as refused:
        load(file, variables, overrides)
    return str(refused.value)


# -- order -------------------------------------------------------------------------------------------------------------


def test_nothing_set_anywhere_gives_the_defaults() -> None:
    loaded = load_config(environment=NOBODY, overrides={})
    assert loaded.config == ClipperConfig(Path("/h/nobody/.local/state/clipper/default"))
    assert loaded.file is None
    assert list(loaded.origins) == list(keys())
    assert {str(origin) for origin in loaded.origins.values()} == {"default"}


def test_command_line_is_over_environment_over_file_over_default() -> None:
    file = "[listen]\nquery_port = 1\nmanagement_port = 1\nbacklog = 1\n"
    variables = {"CLIPPER_LISTEN__QUERY_PORT": "2", "CLIPPER_LISTEN__MANAGEMENT_PORT": "2"}
    loaded = load(file, variables, {"listen.query_port": "3"})
    listen = loaded.config.listen
    assert (listen.query_port, listen.management_port, listen.backlog) == (3, 2, 1)
    assert listen.query_host == "127.0.0.1"
    origins = {name: loaded.origins[f"listen.{name}"] for name in ("query_port", "management_port", "backlog")}
    assert [origin.kind for origin in origins.values()] == ["command line", "environment", "file"]
    assert origins["query_port"].detail == "--set listen.query_port"
    assert origins["management_port"].detail == "CLIPPER_LISTEN__MANAGEMENT_PORT"
    assert origins["backlog"].detail == f"{Path.cwd()}/given.toml:4"
    assert str(loaded.origins["listen.query_host"]) == "default"


def test_run_dir_comes_from_the_argument_then_the_sources_then_the_default() -> None:
    assert load("run_dir = 'there'").config.run_dir == Path.cwd() / "there"
    assert load("run_dir = 'there'", {"CLIPPER_RUN_DIR": "/b"}).config.run_dir == Path("/b")
    assert load("", {"CLIPPER_RUN_DIR": "/b"}, {"run_dir": "/c"}).config.run_dir == Path("/c")
    loaded = load_config(environment=NOBODY, overrides={"run_dir": "/c"}, run_dir=Path("d"))
    assert loaded.config.run_dir == Path.cwd() / "d"
    assert str(loaded.origins["run_dir"]) == "command line (--run-dir)"


@pytest.mark.parametrize(
    ("variables", "directory"),
    [
        ({"XDG_STATE_HOME": "/state"}, "/state/clipper/default"),
        ({"XDG_STATE_HOME": "relative"}, "/h/nobody/.local/state/clipper/default"),
        ({"XDG_STATE_HOME": ""}, "/h/nobody/.local/state/clipper/default"),
        ({"HOME": ""}, f"{Path.home()}/.local/state/clipper/default"),
    ],
)
def test_default_run_dir_lies_below_the_users_state(variables: Mapping[str, str], directory: str) -> None:
    assert default_run_dir({**NOBODY, **variables}) == Path(directory)


def test_user_without_a_home_has_no_default_run_dir_and_needs_none_if_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(InvalidArgumentError, match=r"no default for run_dir.*\(choose a run_dir, or set HOME"):
        load_config(environment={}, overrides={})
    assert load_config(environment={}, overrides={"run_dir": "/r"}).config.run_dir == Path("/r")


def test_working_directory_that_is_gone_matters_only_to_what_counts_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_config(environment=NOBODY, overrides={}).file is None
    needy: list[dict[str, Any]] = [{"overrides": {"run_dir": "r"}}, {"run_dir": Path("r")}, {"file": Path("c.toml")}]
    for options in needy:
        with pytest.raises(InvalidArgumentError, match="the working directory cannot be used"):
            load_config(**{"environment": NOBODY, "overrides": {}, **options})


# -- the file ----------------------------------------------------------------------------------------------------------


def test_file_is_the_argument_then_the_variable_then_here_then_the_users(tmp_path: Path) -> None:
    users = tmp_path / "etc" / "clipper" / "clipper.toml"
    users.parent.mkdir(parents=True)
    environment = {**NOBODY, "XDG_CONFIG_HOME": str(tmp_path / "etc")}

    def chosen(file: Path | None = None, **variables: str) -> Path | None:
        return load_config(file=file, environment={**environment, **variables}, overrides={}).file

    assert chosen() is None
    users.touch()
    assert chosen() == find_config_file(environment) == users
    (tmp_path / "clipper.toml").touch()
    assert chosen() == find_config_file(environment) == tmp_path / "clipper.toml"
    (tmp_path / "named.toml").touch()
    assert chosen(CLIPPER_CONFIG="named.toml") == tmp_path / "named.toml"
    assert chosen(CLIPPER_CONFIG="") == tmp_path / "clipper.toml"
    assert chosen(Path("clipper.toml"), CLIPPER_CONFIG="named.toml") == tmp_path / "clipper.toml"


def test_file_without_line_end_with_windows_lines_and_every_form_of_a_key_is_read() -> None:
    file = (
        'run_dir = "/r" # here\r\n\r\nlisten.query_port = 5\r\nhttp = { max_body_bytes = 6,'
        ' "max_header_bytes" = 70 }\r\n\r\n[ management ]\r\ncommand = [\r\n  "a", # one\r\n  "]",\r\n]\r\n'
        '[management.containers]\r\nmine = [ "/x" ]\r\n"your\'s" = ["""\r\n[core]""", "y"]\r\n[core]\r\ncache_bytes=0'
    )
    loaded = load(file)
    config = loaded.config
    assert (config.listen.query_port, config.http.max_body_bytes, config.core.cache_bytes) == (5, 6, 0)
    assert config.management.command == ("a", "]")
    assert config.management.containers == {"mine": ("/x",), "your's": ("[core]", "y")}
    lines = {name: origin.detail.rpartition(":")[2] for name, origin in loaded.origins.items() if origin.detail}
    assert lines == {
        "run_dir": "1", "listen.query_port": "3", "http.max_body_bytes": "4", "http.max_header_bytes": "4",
        "management.command": "7", "management.containers": "11", "core.cache_bytes": "16",
    }  # fmt: skip


def test_relative_path_counts_from_its_file_and_as_text_from_here(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "c.toml").write_text('[security]\nmanagement_token_file = "token"\nrpc_keys_dir = "~/keys"\n')
    loaded = load_config(
        file=there / "c.toml",
        environment=NOBODY,
        overrides={"security.tls_key_file": "key", "security.tls_certificate_file": "../cert"},
    )
    security = loaded.config.security
    assert security.management_token_file == there / "token"
    assert security.rpc_keys_dir == Path.home() / "keys"
    assert security.tls_key_file == tmp_path / "key"
    assert security.tls_certificate_file == tmp_path / "../cert"


def test_empty_text_takes_away_what_a_weaker_source_sets() -> None:
    file = '[security]\nmanagement_token_file = "/t"\n[listen]\nallowed_hosts = ["a"]\n[state]\nurl = "memory:"\n'
    names = ("security.management_token_file", "listen.allowed_hosts", "state.url")
    config = load(file, {}, dict.fromkeys(names, "")).config
    assert config.security.management_token_file is None
    assert config.listen.allowed_hosts == ()
    assert config.state.url == ""
    assert load('[security]\nmanagement_token_file = ""').config.security.management_token_file is None


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("[listen\n", r"given\.toml is not valid TOML: .*line 1"),
        (b"\xff\n", r"given\.toml' is not UTF-8"),
        (b"a=" + b"[" * 100_000, "is not valid TOML"),
        ("[listen]\nquery_port = 1\nquery_port = 2\n", "is not valid TOML"),
        ("\n[lisen]\n", r"no section \[lisen\]: file \(.*:2\) \(did you mean \[listen\]\?\)"),
        ("[other]", r"there are: listen, http,"),
        ("query_port = 1", r"no option 'query_port': file \(.*:1\) \(did you mean 'listen\.query_port'\?\)"),
        ("rundir = '/x'", r"did you mean 'run_dir'\?"),
        ("listen = 1", r"'listen' is a section: .*\[listen\]"),
        ("[[listen]]\nquery_port = 1", "'listen' is a section"),
        ("[listen]\n\nqury_port = 1", r"no option 'listen\.qury_port': .*:3\) \(did you mean 'listen\.query_port'"),
        ("[http]\nquery_port = 1", r"did you mean 'listen\.query_port'"),
        ("[listen]\nzzz = 1", "`clipper config` lists"),
        ("[listen]\nquery_port = '80'", r"listen\.query_port='80' .* from 0 to 65535; from file .*:2.*without quotes"),
        ("[listen]\nquery_port = true", r"listen\.query_port=True is not valid: expected an integer"),
        ("[listen]\nquery_port = 80.0", r"listen\.query_port=80\.0 is not valid"),
        ("[listen]\n# one\nquery_port = 70000", r"query_port=70000 is not valid: .*65535; from file \(.*:3\)"),
        ("[http]\nmax_body_bytes = '16MiB'", "plain numbers, in the unit that the name ends with"),
        ("[listen]\nallowed_hosts = 'a'", r"listen\.allowed_hosts='a' is not valid: expected a list"),
        ("[listen]\nallowed_hosts = [1]", r"allowed_hosts=\[1\]"),
        ("[listen]\nallowed_hosts = ['a', 'b:1']", r"allowed_hosts='b:1' .*file \(.*:2\).*without a scheme"),
        ("[management]\ncontainers = ['a']", r"management\.containers=\['a'\] is not valid: expected lists of texts"),
        ("[management.containers]\na = 'b'", r"management\.containers=.*expected a list of texts.*:1\)"),
        ("run_dir = 7", r"run_dir=7 is not valid: expected a path; from file"),
        ("run_dir = ''", r"run_dir='' is not valid: expected a path"),
        ("run_dir = '~nobody-of-this-name/x'", "no such home directory"),
        ("[logs]\nlevel = 'verbose'", r"expected one of 'debug', .*; from file \(.*given\.toml:2\)"),
    ],
)
def test_mistake_in_the_file_is_told_with_its_line_and_what_was_meant(file: str | bytes, said: str) -> None:
    assert re.search(said, refusal(file), re.DOTALL)


def test_mistake_in_the_file_is_told_although_a_stronger_source_overrides_it() -> None:
    assert "query_port='x'" in refusal("[listen]\nquery_port = 'x'", {"CLIPPER_LISTEN__QUERY_PORT": "1"})


@pytest.mark.parametrize("name", ["missing.toml", "directory", "a\0b", "x" * 300])
def test_file_that_was_named_and_cannot_be_read_is_refused(name: str) -> None:
    Path("directory").mkdir()
    with pytest.raises(InvalidArgumentError, match="cannot be read"):
        load_config(file=Path(name), environment=NOBODY, overrides={})
    with pytest.raises(InvalidArgumentError, match="cannot be read"):
        load_config(environment={**NOBODY, "CLIPPER_CONFIG": name}, overrides={})


def test_file_of_the_largest_size_is_read_and_one_byte_more_is_refused() -> None:
    largest = "[core]\ncache_bytes = 0\n#"
    largest += "x" * (MAX_FILE_BYTES - len(largest))
    assert load(largest).config.core.cache_bytes == 0
    assert f"larger than {MAX_FILE_BYTES} bytes" in refusal(largest + "x")


# -- environment and command line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("CLIPPER_LISTEN__QURY_PORT", "did you mean 'CLIPPER_LISTEN__QUERY_PORT'"),
        ("CLIPPER_LISEN__QUERY_PORT", "did you mean 'CLIPPER_LISTEN__QUERY_PORT'"),
        ("CLIPPER_listen__query_port", "did you mean 'CLIPPER_LISTEN__QUERY_PORT'"),
        ("CLIPPER_LISTEN_QUERY_PORT", "'CLIPPER_LISTEN__QUERY_PORT', with two underscores"),
        ("CLIPPER__RUN_DIR", "did you mean 'CLIPPER_RUN_DIR'"),
        ("CLIPPER_A__B", "`clipper config` lists"),
    ],
)
def test_variable_that_sets_nothing_is_refused_with_the_nearest_name(variable: str, said: str) -> None:
    told = refusal("", {variable: "1"})
    assert variable in told
    assert said in told


@pytest.mark.parametrize(
    "variable",
    ["CLIPPER_RPC_ADDRESS", "CLIPPER_RPC_HEARTBEAT_INTERVAL_US", "CLIPPER_MODEL_NAME", "CLIPPER_HYPOTHESIS_PROFILE",
     "CLIPPER", "OTHER__QUERY_PORT", "clipper_listen__query_port"],
)  # fmt: skip
def test_variable_of_somebody_else_is_left_alone(variable: str) -> None:
    assert load("", {variable: "1"}).config == load().config


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("listen.qury_port", "'listen.query_port'"),
        ("query_port", "'listen.query_port'"),
        ("htpp.max_body_bytes", "'http.max_body_bytes'"),
        ("listen", "a section, with the options listen.query_host, listen.query_port,"),
        ("", "`clipper config`"),
    ],
)
def test_override_of_an_unknown_option_is_refused_with_the_nearest_name(name: str, near: str) -> None:
    told = refusal("", {}, {name: "1"})
    assert f"there is no option {name!r}: command line" in told
    assert near in told


def test_no_variable_of_an_option_can_be_taken_for_that_of_another() -> None:
    variables = [key.variable for key in keys().values()]
    assert len(set(variables)) == len(variables)
    assert all(
        variable.count("__") == (1 if "." in name else 0) for name, variable in zip(keys(), variables, strict=True)
    )


def test_text_is_read_by_the_type_of_its_option() -> None:
    overrides = {
        "http.max_body_bytes": " 16_777_216 ",
        "listen.allowed_hosts": "a.example 'b.example'",
        "frontend.command": '["/opt/my python", "-m", "mine"]',
        "management.containers": "{ mine = ['/bin/mine', '--fast'] }",
        "logs.level": "debug",
    }
    config = load("", {}, overrides).config
    assert config.http.max_body_bytes == 16 << 20
    assert config.listen.allowed_hosts == ("a.example", "b.example")
    assert config.frontend.command == ("/opt/my python", "-m", "mine")
    assert config.management.containers == {"mine": ("/bin/mine", "--fast")}
    assert config.logs.level == "debug"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("listen.query_port", "", "expected an integer from 0 to 65535"),
        ("listen.query_port", "80 81", "expected an integer"),
        ("listen.query_port", "0x50", "expected an integer"),
        ("listen.query_port", "٨٠", "expected an integer"),
        ("listen.query_port", "9" * 5000, "expected an integer"),
        ("http.idle_timeout_us", "5s", "plain numbers, in the unit"),
        ("http.max_body_bytes", "16 MiB", "plain numbers, in the unit"),
        ("frontend.command", "", "one or more texts"),
        ("frontend.command", "'a", "no closing quotation"),
        ("frontend.command", '["a"', 'as ["a", "b"]'),
        ("frontend.command", '["a"]\nb = 1', 'as ["a", "b"]'),
        ("frontend.command", '["a", 1]', "texts"),
        ("management.containers", "mine", 'as {mine = ["a", "b"]}'),
        ("management.containers", "[]", "lists of texts by name"),
        ("management.containers", "{ mine = 'x' }", "list of texts"),
        ("run_dir", "", "expected a path"),
        ("run_dir", "/a\0b", "expected an absolute path"),
        ("logs.format", "JSON", "'text', 'json'"),
    ],
)
def test_text_that_is_not_valid_is_refused_with_what_was_expected(name: str, text: str, said: str) -> None:
    told = refusal("", {}, {name: text})
    assert said in told
    assert told.startswith(f"{name}=")
    assert f"command line (--set {name})" in told
    assert keys()[name].variable in refusal("", {keys()[name].variable: text})


def test_password_in_a_refused_url_is_not_told() -> None:
    for url in ("redis://:secret@host:port", "redis//:secret@host", "secret"):
        assert "secret" not in refusal("", {"CLIPPER_STATE__URL": url})
    assert "secret" not in refusal('[state]\nurl = ["redis://:secret@host"]')


def test_option_that_another_one_limits_is_refused_with_the_origin_of_both() -> None:
    told = refusal("[supervisor]\n\nrestart_backoff_max_us = 5")
    assert told.startswith("supervisor.restart_backoff_min_us=20000 is not valid: expected at most")
    assert re.search(r"restart_backoff_max_us is from file \(.*:3\); this is the default", told)


def test_sections_that_contradict_each_other_are_refused_with_the_origin_of_what_was_set() -> None:
    told = refusal("[listen]\nquery_host = '0.0.0.0'")
    assert re.search(r"listen\.query_host is from file \(.*:2\)", told)


def test_addresses_are_refused_or_allowed_by_what_all_sources_say_together() -> None:
    file = "[listen]\nquery_host = '0.0.0.0'\n"
    assert "management token" in refusal(file)
    token = {"CLIPPER_SECURITY__MANAGEMENT_TOKEN_FILE": "/etc/token"}
    assert load(file, token).config.listen.query_host == "0.0.0.0"
