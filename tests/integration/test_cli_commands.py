"""Every command against one real Clipper: what it prints, what it changes, and how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pexpect  # type: ignore[import-untyped]
import pytest
from typer.testing import CliRunner

from clipper.cli.app import app
from clipper.cli.exit_codes import ExitCode
from clipper.cli.quick_get import quick_get
from tests.support.command_line import CLIPPER, IN_TERMINAL, clipper_environment, run_clipper, temporary_home
from tests.support.processes import wait_until

pytestmark = pytest.mark.timeout(120)
LIMIT_S = 30
FUNCTIONS = """\
def double(inputs):
    return [2 * float(sum(one)) for one in inputs]


class Unloadable:
    def __call__(self, inputs):
        return inputs

    def __getstate__(self):
        return {"weights": "gone"}

    def __setstate__(self, state):
        raise RuntimeError("the weights are gone")


unloadable = Unloadable()
"""


class CommandLine:
    """Runs commands in this process, which is fast, against the instance of this module."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = clipper_environment(home)
        self._runner = CliRunner(env=self.environment)

    def __call__(self, *arguments: str, expect: ExitCode = ExitCode.OK, stdin: str | None = None) -> str:
        """Return what the command prints, stderr included."""
        result = self._runner.invoke(app, arguments, input=stdin)
        assert result.exit_code == expect, (arguments, result.output, result.exception)
        assert "Traceback (most recent call last)" not in result.output.split("the container's log")[0]
        return result.output

    def json(self, *arguments: str, expect: ExitCode = ExitCode.OK, stdin: str | None = None) -> Any:
        """Return the JSON that the command prints to stdout."""
        result = self._runner.invoke(app, [*arguments, "--json"], input=stdin)
        assert result.exit_code == expect, (arguments, result.output, result.exception)
        return json.loads(result.stdout)

    def spawn(self, *arguments: str) -> Any:
        """Run a command in a terminal of its own."""
        return pexpect.spawn(
            IN_TERMINAL[0], [*IN_TERMINAL[1:], *CLIPPER, *arguments], env={**self.environment, "TERM": "xterm"},
            cwd=str(self.home), dimensions=(40, 160), encoding="utf-8", timeout=LIMIT_S,
        )  # fmt: skip


@pytest.fixture(scope="module")
def clipper() -> Iterator[CommandLine]:
    with temporary_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        (home / "functions.py").write_text(FUNCTIONS)
        started = run_clipper(home, "start", "--detach")
        assert started.returncode == 0, started.stderr
        command_line = CommandLine(home)
        command_line("apps", "register", "sums", "--slo", "5s", "--default", "-1", "--shape", "3")
        command_line("deploy", "adder", "1", "--container", "sum", "--link", "sums")
        yield command_line


# -- applications and models ---------------------------------------------------------------------------------------


def test_application_is_registered_shown_and_deleted(clipper: CommandLine) -> None:
    assert "clipper link texts MODEL" in clipper(
        "apps", "register", "texts", "--slo", "20ms", "--input-type", "strings", "--default", '{"label": null}',
        "--cache-ttl", "90s", "--policy", '{"name": "majority", "answer_when_decided": false}',
    )  # fmt: skip
    shown = clipper.json("apps", "show", "texts")
    assert shown["latency_slo_us"] == 20_000 and shown["default_output"] == {"label": None} and shown["models"] == []
    assert "texts" in clipper("apps") and "20 ms" in clipper("apps", "list")
    assert shown["cache_ttl_us"] == 90_000_000
    assert "strings" in clipper("apps", "show", "texts") and "on, for 90 s" in clipper("apps", "show", "texts")
    assert {item["name"] for item in clipper.json("apps")} == {"sums", "texts"}
    assert "majority (answer_when_decided=false)" in clipper("apps", "show", "texts")
    clipper("apps", "delete", "texts")
    assert {item["name"] for item in clipper.json("apps", "list")} == {"sums"}


def test_application_that_exists_is_a_conflict(clipper: CommandLine) -> None:
    assert "sums" in clipper("apps", "register", "sums", "--slo", "1s", expect=ExitCode.CONFLICT)


def test_name_that_is_misspelt_is_answered_with_the_nearest(clipper: CommandLine) -> None:
    assert "did you mean 'sums'?" in clipper("apps", "show", "sum", expect=ExitCode.NOT_FOUND)
    assert "did you mean 'adder'?" in clipper("models", "show", "ader", expect=ExitCode.NOT_FOUND)
    assert "did you mean 'adder'?" in clipper("link", "sums", "addder", expect=ExitCode.NOT_FOUND)
    never_deployed = ("deploy", "other", "1", "--container", "sum", "--link", "summs")
    assert "did you mean 'sums'?" in clipper(*never_deployed, expect=ExitCode.NOT_FOUND)
    clipper("models", "show", "other", expect=ExitCode.NOT_FOUND)
    assert "did you mean 'adder'?" in clipper("rollback", "ader", expect=ExitCode.NOT_FOUND)
    assert "did you mean 'sums'?" in clipper("predict", "smus", "[1]", expect=ExitCode.NOT_FOUND)
    assert "known: 1" in clipper("scale", "adder", "1", "--version", "7", expect=ExitCode.NOT_FOUND)


def test_version_is_deployed_rolled_back_used_scaled_and_deleted(clipper: CommandLine) -> None:
    assert "adder:2 is ready: 1 of 1 replicas" in clipper("deploy", "adder", "2", "functions.py:double")
    assert clipper.json("predict", "sums", "[1, 2, 3]")["output"] == 12.0
    assert "rollback adder` goes back to version 1" in clipper("models", "show", "adder")
    assert "adder:1 answers now" in clipper("rollback", "adder")
    assert clipper.json("predict", "sums", "[1, 2, 3]")["output"] == 6.0
    assert clipper.json("predict", "sums", "[1, 2, 3]", "--version", "2")["output"] == 12.0
    assert clipper.json("models", "use", "adder", "2")["current_version"] == "2"
    assert clipper.json("rollback", "adder", "1")["current_version"] == "1"
    assert "2 of 2 replicas ready" in clipper("scale", "adder", "2", "--version", "2")
    assert "clipper unlink APP adder" in clipper("models", "delete", "adder", expect=ExitCode.CONFLICT)
    assert "deleted adder:2" in clipper("models", "delete", "adder", "2")
    assert [version["version"] for version in clipper.json("models", "show", "adder")["versions"]] == ["1"]


def test_version_that_exists_is_a_conflict(clipper: CommandLine) -> None:
    assert "'1'" in clipper("deploy", "adder", "1", "--container", "sum", expect=ExitCode.CONFLICT)


def test_roll_back_without_an_earlier_version_says_how_to_name_one(clipper: CommandLine) -> None:
    clipper("deploy", "alone", "1", "--container", "noop", "--not-current", "--label", "a", "--label", "b")
    assert "clipper rollback alone VERSION" in clipper("rollback", "alone", expect=ExitCode.CONFLICT)
    for command in (("rollback",), ("models", "use")):
        assert "known: 1" in clipper(*command, "alone", "9", expect=ExitCode.NOT_FOUND)
    assert clipper.json("models", "show", "alone")["versions"][0]["labels"] == ["a", "b"]
    assert "deleted alone" in clipper("models", "delete", "alone")


def test_scaling_to_nothing_is_not_valid(clipper: CommandLine) -> None:
    for arguments in (("0",), ("--", "-1")):
        assert f"replicas={arguments[-1]}" in clipper("scale", "adder", *arguments, expect=ExitCode.USAGE)


def test_model_that_cannot_be_loaded_is_told_with_its_last_words(clipper: CommandLine) -> None:
    told = clipper("deploy", "broken", "1", "functions.py:unloadable", expect=ExitCode.MODEL)
    assert "broken:1" in told and "| RuntimeError: the weights are gone" in told
    assert "broken" not in {model["name"] for model in clipper.json("models")}


def test_container_that_does_not_exist_is_answered_with_those_that_do(clipper: CommandLine) -> None:
    assert "sklearn" in clipper("deploy", "x", "1", "--container", "sklaern", expect=ExitCode.USAGE)
    assert "--container noop" in clipper("deploy", "x", "1", expect=ExitCode.USAGE)


def test_link_is_undone(clipper: CommandLine) -> None:
    assert "no model" in clipper("unlink", "sums", "adder")
    warned = clipper("predict", "sums", "[1, 2, 3]")
    assert "-1" in warned.splitlines() and "No connected models found" in warned
    assert clipper.json("link", "sums", "adder")["models"] == ["adder"]


# -- queries -------------------------------------------------------------------------------------------------------


def test_query_is_read_from_the_command_line_a_file_or_stdin(clipper: CommandLine) -> None:
    (clipper.home / "one.json").write_text("[1, 2, 3]")
    (clipper.home / "rows.csv").write_text("1,2,3\n4,5,6\n")
    for argument in ("[1, 2, 3]", "@one.json", "-"):
        assert clipper.json("predict", "sums", argument, stdin="[1, 2, 3]")["output"] == 6.0
    batch = clipper.json("predict", "sums", "@rows.csv", "--batch")["batch_predictions"]
    assert [item["output"] for item in batch] == [6.0, 15.0]
    assert "6.0\n15.0\n" in clipper("predict", "sums", "[[1,2,3],[4,5,6]]", "--batch")


def test_query_that_does_not_fit_is_not_valid(clipper: CommandLine) -> None:
    assert "wrong_length" in clipper("predict", "sums", "[1]", expect=ExitCode.USAGE)
    assert "takes an array of doubles" in clipper("predict", "sums", "[1,", expect=ExitCode.USAGE)
    assert "--batch" in clipper("predict", "sums", "@rows.csv", expect=ExitCode.USAGE)
    clipper("predict", "sums", "@nowhere.json", expect=ExitCode.NOT_FOUND)


def test_text_needs_no_quotes_where_the_application_takes_text(clipper: CommandLine) -> None:
    clipper("apps", "register", "words", "--slo", "5s", "--input-type", "strings", "--default", '"none"')
    assert clipper.json("predict", "words", "two words")["output"] == "none"
    assert clipper.json("predict", "words", "17")["output"] == "none"
    clipper("apps", "delete", "words")


# -- watching ------------------------------------------------------------------------------------------------------


def test_status_of_a_healthy_instance_ends_with_zero(clipper: CommandLine) -> None:
    shown = clipper.json("status")
    assert shown["healthy"] is True and shown["problems"] == []
    assert [item["name"] for item in shown["traffic"]] == ["sums"]
    assert {"revision", "run_dir", "query_url", "workers", "applications", "models", "replicas"} <= set(shown)
    told = clipper("status")
    assert "Clipper is running (pid " in told and "adder" in told and "ready" in told


def test_top_measures_what_happens_in_its_interval(clipper: CommandLine) -> None:
    enough = threading.Event()
    load = threading.Thread(target=ask_until, args=(f"{clipper.json('status')['query_url']}/sums/predict", enough))
    load.start()
    try:
        measured = clipper.json("top", "--interval", "0.5")
    finally:
        enough.set()
        load.join()
    (application,) = measured["applications"]
    assert application["queries"] > 0 and application["queries_per_s"] > 0
    assert 0 < application["p50_us"] <= application["p99_us"] < application["slo_us"]
    assert measured["models"][0]["mean_batch_size"] or measured["models"][0]["cache_hit_ratio"]
    assert "REPLICA" in clipper("top", "--once", "--interval", "0.1")


def ask_until(url: str, enough: threading.Event) -> None:
    with httpx.Client() as client:
        while not enough.wait(0.005):
            client.post(url, json={"input": [1, 2, 3]}).raise_for_status()


def test_top_in_a_terminal_is_drawn_until_q(clipper: CommandLine) -> None:
    top = clipper.spawn("top", "--interval", "0.1")
    top.expect("RATE/S")
    top.expect("adder:1:0")
    top.send("x")
    top.expect("RATE/S")  # it goes on
    top.send("q")
    top.expect(pexpect.EOF)
    top.wait()
    assert top.exitstatus == 0
    assert "\x1b[?1049h" not in top.before.rpartition("\x1b[?1049l")[2]  # the former screen is back


def test_replica_that_cannot_evaluate_the_sample_is_refused(clipper: CommandLine) -> None:
    clipper("deploy", "sampled", "1", "--container", "sum", "--sample", "[1, 2]")
    refused = clipper("deploy", "sampled", "2", "--container", "sum", "--sample", '"word"', expect=ExitCode.USAGE)
    assert "the sample input of sampled:2 cannot be used" in refused
    assert len(clipper.json("models", "show", "sampled")["versions"]) == 1
    clipper("models", "delete", "sampled")


def test_deployment_in_a_terminal_shows_a_bar(clipper: CommandLine) -> None:
    deploy = clipper.spawn("deploy", "barred", "1", "--container", "noop")
    deploy.expect("deploying barred:1")
    deploy.expect("0/1 ready")
    deploy.expect("barred:1 is ready")
    deploy.expect(pexpect.EOF)
    deploy.wait()
    assert deploy.exitstatus == 0
    clipper("models", "delete", "barred")


def test_deployment_goes_on_when_nobody_waits_for_it(clipper: CommandLine) -> None:
    slow = ("--container", "simulated", "--env", "CLIPPER_SIMULATED_LOAD_US=1000000")
    deploy = clipper.spawn("deploy", "patient", "1", *slow)
    deploy.expect("loading the model")
    deploy.sendintr()
    deploy.expect("nobody waits for it any more")
    deploy.expect(pexpect.EOF)
    deploy.wait()
    assert deploy.exitstatus == ExitCode.INTERRUPTED
    wait_until(lambda: clipper.json("models", "show", "patient")["current_version"] == "1")
    clipper("models", "delete", "patient")


def test_logs_are_those_of_the_source_that_is_named(clipper: CommandLine) -> None:
    assert "model loaded" in clipper("logs", "adder:1:0")
    assert " | " not in clipper("logs", "frontend").splitlines()[0]
    assert len(clipper("logs", "supervisor", "-n", "1").splitlines()) == 1
    everything = clipper("logs", "-n", "1")
    assert "management | " in everything and "adder:1:0 | " in everything
    assert "did you mean 'adder:1:0'?" in clipper("logs", "addr:1:0", expect=ExitCode.NOT_FOUND)


def test_logs_go_on_while_they_are_followed(clipper: CommandLine) -> None:
    logs = clipper.spawn("logs", "supervisor", "-f", "-n", "1")
    logs.expect("\n")
    clipper("deploy", "followed", "1", "--container", "noop")
    logs.expect("started followed:1:0")
    logs.sendintr()
    logs.expect(pexpect.EOF)
    logs.wait()
    assert logs.exitstatus == ExitCode.INTERRUPTED
    clipper("models", "delete", "followed")


def test_logs_of_replicas_come_over_the_network_too(clipper: CommandLine) -> None:
    url = json.loads((clipper.home / "state/clipper/default/config.json").read_text())["listen"]["management_port"]
    remote = ("--url", f"http://127.0.0.1:{url}")
    assert "model loaded" in clipper("logs", "adder", *remote)
    assert "on the machine where Clipper runs" in clipper("logs", "frontend", *remote, expect=ExitCode.NOT_FOUND)


def test_completion_knows_the_names_of_the_running_clipper(clipper: CommandLine) -> None:
    assert quick_get(None, str(clipper.home / "state/clipper/default"), "/models")[0]["name"] == "adder"
    words = {"_CLIPPER_COMPLETE": "complete_bash", "COMP_WORDS": "clipper link sums ", "COMP_CWORD": "3"}
    completed = run_clipper(clipper.home, **words)
    assert completed.stdout.split() == ["adder"], completed.stderr
    assert completed.stderr == ""
