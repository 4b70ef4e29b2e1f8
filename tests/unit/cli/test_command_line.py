"""The command line without a running Clipper: help, usage, exit codes, completion."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from clipper import errors
from clipper.cli import main
from clipper.cli.app import app
from clipper.cli.completion import complete_containers
from clipper.cli.exit_codes import MEANINGS, ExitCode, exit_code_of
from clipper.cli.port_holder import describe_holder
from clipper.cli.quick_get import quick_get
from clipper.cli.server import nearest
from clipper.client.tokens import find_token
from clipper.config import keys
from clipper.deploy.resources import thread_environment
from clipper.errors import InvalidArgumentError
from tests.support.cli_tables import commands
from tests.support.repository import ROOT

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    for variable in ("CLIPPER_URL", "CLIPPER_RUN_DIR", "CLIPPER_TOKEN", "CLIPPER_TOKEN_FILE", "CLIPPER_DEBUG"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound, so that nobody else takes it, and refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize(
    ("option", "value"), [("--batch-size", "0"), ("--batch-size", "-1"), ("--max-batch-size", "-1")]
)
def test_batch_size_that_is_none_is_a_usage_error(option: str, value: str) -> None:
    done = RUNNER.invoke(app, ["deploy", "svm", "1", "model.py", option, value])
    assert done.exit_code == ExitCode.USAGE
    assert option in done.output and "greater than or equal to" in done.output


def test_help_loads_nothing_that_takes_long() -> None:
    code = (
        "import sys\n"
        "from clipper.cli.app import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'httpx', 'rich', 'numpy', 'fastapi', 'zmq', 'prometheus_client', 'cloudpickle', 'http', 'ssl'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_explains_itself_without_a_server(path: tuple[str, ...]) -> None:
    result = RUNNER.invoke(app, [*path, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_version_is_that_of_the_package() -> None:
    assert RUNNER.invoke(app, ["--version"]).output.startswith("clipper ")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["status", "--nonsense"], ["link", "one"], ["apps", "register", "a", "--slo", "20"],
     ["scale", "m", "many"], ["deploy", "m", "1", "--env", "NOVALUE", "--container", "noop"],
     ["deploy", "m", "1", "--container", "noop", "--sample", "{"],
     ["start", "--set", "novalue"], ["start", "--query-port", "x"], ["start", "--set", "listen.query_prot=1"],
     ["status", "--url", "nonsense"], ["apps", "register", "a", "--slo", "1s", "--default", "{"]],
    ids=" ".join,
)  # fmt: skip
def test_command_line_that_is_not_valid_ends_with_the_code_of_usage(arguments: list[str]) -> None:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == ExitCode.USAGE, result.output
    assert "Traceback" not in result.output


def test_resource_that_the_help_names_is_one_that_the_process_manager_knows() -> None:
    deploy = typer.main.get_command(app).commands["deploy"]  # type: ignore[attr-defined]
    told = next(parameter.help for parameter in deploy.params if "--resource" in parameter.opts)
    name, amount = re.findall(r"(\w+)=(\d+)", told)[0]
    assert set(thread_environment({name: int(amount)}).values()) == {amount}


def test_misspelt_command_is_answered_with_the_nearest() -> None:
    assert "Did you mean 'status'" in RUNNER.invoke(app, ["staus"]).output


def test_misspelt_option_of_the_configuration_is_answered_with_the_nearest() -> None:
    assert "listen.query_port" in RUNNER.invoke(app, ["start", "--set", "listen.query_prot=1"]).output


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["apps"], ["models"], ["apps", "show", "a"], ["link", "a", "m"], ["rollback", "m"],
     ["scale", "m", "2"], ["predict", "a", "[1]"], ["top", "--once"], ["models", "delete", "m"]],
    ids=" ".join,
)  # fmt: skip
def test_command_without_a_server_says_how_to_start_one(arguments: list[str], closed_port: int) -> None:
    result = RUNNER.invoke(app, [*arguments, "--url", f"http://127.0.0.1:{closed_port}"])
    assert result.exit_code == ExitCode.UNREACHABLE, result.output
    assert "clipper start" in result.output


def test_directory_in_which_none_has_run_is_unreachable(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["status", "--run-dir", str(tmp_path / "nowhere")])
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "no Clipper has run in" in result.output


def test_traceback_of_an_expected_error_is_shown_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPPER_DEBUG", "1")
    result = RUNNER.invoke(app, ["status", "--run-dir", "nowhere"])
    assert isinstance(result.exception, errors.UnavailableError)


def test_stop_where_nothing_runs_is_done() -> None:
    assert RUNNER.invoke(app, ["stop"]).exit_code == ExitCode.OK
    assert json.loads(RUNNER.invoke(app, ["stop", "--json"]).output)["was_running"] is False


def test_logs_where_nothing_has_run_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "state" / "clipper" / "default" / "logs").mkdir(parents=True)
    result = RUNNER.invoke(app, ["logs"])
    assert result.exit_code == ExitCode.NOT_FOUND


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFoundError("x"), ExitCode.NOT_FOUND),
        (errors.AlreadyExistsError("x"), ExitCode.CONFLICT),
        (errors.ConflictError("x"), ExitCode.CONFLICT),
        (errors.InvalidArgumentError("x"), ExitCode.USAGE),
        (errors.UnavailableError("x"), ExitCode.UNREACHABLE),
        (errors.DeployError("x"), ExitCode.MODEL),
        (errors.StartError("x"), ExitCode.FAILURE),
        (errors.InternalError("x"), ExitCode.FAILURE),
    ],
)
def test_error_ends_with_the_code_of_whose_fault_it_is(error: errors.ClipperError, code: ExitCode) -> None:
    assert exit_code_of(error) is code


def test_configuration_tells_where_each_value_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clipper.toml").write_text("[logs]\nkeep_count = 5\n[listen]\nquery_port = 2000\n")
    monkeypatch.setenv("CLIPPER_LISTEN__QUERY_PORT", "2001")
    result = RUNNER.invoke(app, ["config", "--json", "--set", "listen.management_port=2002"])
    shown = json.loads(result.stdout)
    assert set(shown) == set(keys())
    assert shown["logs.keep_count"] == {"value": 5, "origin": f"file ({tmp_path / 'clipper.toml'}:2)"}
    assert shown["listen.query_port"] == {"value": 2001, "origin": "environment (CLIPPER_LISTEN__QUERY_PORT)"}
    assert shown["listen.management_port"]["origin"].startswith("command line")
    changed = json.loads(RUNNER.invoke(app, ["config", "--json", "--changed"]).stdout)
    assert set(changed) == {"logs.keep_count", "listen.query_port"}


def test_example_of_the_configuration_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "clipper.toml").write_text(RUNNER.invoke(app, ["config", "--example"]).stdout)
    assert RUNNER.invoke(app, ["config", "--changed", "--json"]).stdout == "{}\n"


def test_password_of_the_state_is_not_shown() -> None:
    result = RUNNER.invoke(app, ["config", "--set", "state.url=redis://:geheim@localhost:6379/0"])
    assert result.exit_code == 0
    assert "geheim" not in result.output


@pytest.mark.parametrize(("text", "token"), [("abc\n", "abc"), ("# the new one\n\nabc\nold\n", "abc")])
def test_token_is_the_first_of_its_file(tmp_path: Path, text: str, token: str) -> None:
    (tmp_path / "token").write_text(text)
    assert find_token(None, tmp_path / "token") == token


def test_token_file_without_a_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("# nothing\n")
    with pytest.raises(InvalidArgumentError, match="holds no token"):
        find_token(None, tmp_path / "token")
    with pytest.raises(InvalidArgumentError, match="No such file"):
        find_token(None, tmp_path / "nowhere")


def test_completion_without_a_server_is_silent(closed_port: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert quick_get(f"http://127.0.0.1:{closed_port}", None, "/models") is None
    assert quick_get("nonsense", None, "/models") is None
    assert capfd.readouterr() == ("", "")


def test_completion_of_a_container_knows_ours() -> None:
    assert complete_containers("s") == ["simulated", "sklearn", "sum"]


@pytest.mark.parametrize(("name", "near"), [("digit", "digits"), ("digits", ""), ("zzz", "")])
def test_nearest_name_is_one_that_is_like_it(name: str, near: str) -> None:
    assert nearest(name, ["digits", "texts"]) == near


def test_holder_of_a_port_is_told_by_its_process() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert "listens there" in describe_holder(listener.getsockname()[1])


def test_holder_of_a_free_port_is_nobody(closed_port: int) -> None:
    assert describe_holder(closed_port) == ""


def test_entry_point_is_the_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["clipper"] == f"{main.__module__}:{main.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "clipper", "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == f"clipper {project['version']}\n"
