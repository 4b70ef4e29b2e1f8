"""``clipper start`` and ``clipper stop`` as processes: signals, ports that are taken, what is restored."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from bench.procfs import processes_of
from clipper.cli.app import app
from clipper.cli.exit_codes import ExitCode
from clipper.supervisor.running import find_running
from tests.support.certificates import write_certificate
from tests.support.command_line import CLIPPER, IN_TERMINAL, clipper_environment, run_clipper, temporary_home
from tests.support.processes import wait_until, watch_deaths

pytestmark = pytest.mark.timeout(120)
LIMIT_S = 30
TOKEN = secrets.token_urlsafe(32)


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as directory:
        yield directory


@contextmanager
def in_foreground(
    home: Path, *, starter: Sequence[str] = IN_TERMINAL
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Start Clipper in the foreground; give its process and what it has told when it was up."""
    process = subprocess.Popen(
        [*starter, *CLIPPER, "start", "--json"], cwd=home, env=clipper_environment(home),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    try:
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            text += line
        yield process, json.loads(text)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def run_dir_of(home: Path) -> Path:
    return home / "state" / "clipper" / "default"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_foreground_ends_cleanly_at_a_signal(home: Path, number: signal.Signals) -> None:
    with in_foreground(home) as (process, told):
        assert told["detached"] is False
        assert httpx.get(f"{told['query_url']}/healthz").status_code == 200
        with watch_deaths(processes_of(run_dir_of(home))) as survivors:
            process.send_signal(number)
            _, stderr = process.communicate(timeout=LIMIT_S)
            assert survivors(LIMIT_S) == []
    assert process.returncode == ExitCode.OK
    assert "Ctrl-C again does not wait" in stderr and stderr.endswith("stopped\n")


def test_foreground_under_nohup_is_told_by_a_stop_elsewhere_and_second_starts_are_refused(home: Path) -> None:
    with in_foreground(home, starter=("nohup",)) as (process, told):
        process.send_signal(signal.SIGHUP)  # its terminal was closed
        again = run_clipper(home, "start")
        assert again.returncode == ExitCode.CONFLICT
        assert f"running in '{told['run_dir']}' already" in again.stderr
        port = told["query_url"].rpartition(":")[2]
        other = run_clipper(home, "start", "--run-dir", str(home / "other"), "--query-port", port)
        assert other.returncode == ExitCode.CONFLICT
        assert f"clipper stop --run-dir {told['run_dir']}" in other.stderr
        stopped = run_clipper(home, "stop")
        assert (stopped.returncode, stopped.stdout) == (ExitCode.OK, "stopped\n")
        _, stderr = process.communicate(timeout=LIMIT_S)
    assert process.returncode == ExitCode.OK
    assert "Clipper was stopped" in stderr and "stopping" not in stderr


def test_port_of_a_stranger_is_told_with_its_process(home: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        refused = run_clipper(home, "start", "--management-port", str(stranger.getsockname()[1]))
    assert refused.returncode == ExitCode.CONFLICT
    assert f"process {os.getpid()} listens there" in refused.stderr and "--management-port 0" in refused.stderr
    assert find_running(run_dir_of(home)) is None


def test_detached_instance_outlives_its_start_and_serves_the_same_after_a_restart(home: Path) -> None:
    started = run_clipper(home, "start", "--detach", "--json")
    told = json.loads(started.stdout)
    assert told["applications"] == told["replicas"] == 0
    assert run_clipper(home, "apps", "register", "sums", "--slo", "5s").returncode == ExitCode.OK
    deployed = run_clipper(home, "deploy", "adder", "1", "--container", "sum", "--replicas", "2", "--link", "sums")
    assert deployed.returncode == ExitCode.OK, deployed.stderr
    assert os.getsid(told["pid"]) == told["pid"]  # no terminal's end reaches it
    with watch_deaths(processes_of(run_dir_of(home))) as survivors:
        assert run_clipper(home, "stop").returncode == ExitCode.OK
        assert survivors(1) == []
    stopped = run_clipper(home, "stop")
    assert stopped.returncode == ExitCode.OK and "is not running" in stopped.stdout
    assert run_clipper(home, "status").returncode == ExitCode.UNREACHABLE
    assert "model loaded" in run_clipper(home, "logs", "adder:1:0").stdout  # also of what has ended

    again = run_clipper(home, "start", "--detach")
    assert again.returncode == ExitCode.OK, again.stderr
    assert "restored    1 application, 1 model version, 2 of 2 replicas ready" in again.stdout
    assert "Stop it with: clipper stop\n" in again.stdout
    assert run_clipper(home, "predict", "sums", "[1, 2]").stdout == "3.0\n"


def test_second_signal_does_not_wait_for_queries(home: Path) -> None:
    with in_foreground(home) as (process, told):
        run_clipper(home, "apps", "register", "slow", "--slo", "50s")
        slow = ("--container", "simulated", "--env", "CLIPPER_SIMULATED_BASE_US=50000000", "--link", "slow")
        deployed = run_clipper(home, "deploy", "sleeper", "1", *slow)
        assert deployed.returncode == ExitCode.OK, deployed.stderr
        query = threading.Thread(target=ask_in_vain, args=(f"{told['query_url']}/slow/predict",))
        query.start()
        wait_until(lambda: "clipper_model_batches_total{" in busy_line(told["query_url"]))
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "stopping" not in process.stderr.readline():
            assert process.poll() is None
        with watch_deaths(processes_of(run_dir_of(home))) as survivors:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=LIMIT_S)
            assert survivors(LIMIT_S) == []
        query.join()


def ask_in_vain(url: str) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.post(url, json={"input": [1.0]}, timeout=60)


def busy_line(query_url: str) -> str:
    """Return the count of batches, once there is one."""
    lines = httpx.get(f"{query_url}/metrics").text.splitlines()
    return next((line for line in lines if line.startswith("clipper_model_batches_total") and line[-3:] != "0.0"), "")


def test_stop_by_force_does_not_wait(home: Path) -> None:
    assert run_clipper(home, "start", "--detach").returncode == ExitCode.OK
    with watch_deaths(processes_of(run_dir_of(home))) as survivors:
        assert run_clipper(home, "stop", "--force").returncode == ExitCode.OK
        assert survivors(LIMIT_S) == []


def test_pid_that_was_given_to_another_process_is_not_taken_for_clipper(home: Path) -> None:
    directory = run_dir_of(home)
    directory.mkdir(parents=True)
    (directory / "supervisor.lock").write_text(f"{os.getpid()}\n")
    assert find_running(directory) is None
    assert "is not running" in run_clipper(home, "stop").stdout


def test_secured_instance_is_used_by_its_owner_without_a_word_and_by_others_with_the_token(home: Path) -> None:
    (home / "token").write_text(f"# of the operators\n{TOKEN}\n")
    (home / "token").chmod(0o600)
    files = write_certificate(home)
    started = run_clipper(
        home, "start", "--detach", "--json",
        *("--set", f"security.management_token_file={home / 'token'}"),
        *("--set", f"security.tls_certificate_file={files.certificate}"),
        *("--set", f"security.tls_key_file={files.key}"),
    )  # fmt: skip
    assert started.returncode == ExitCode.OK, started.stderr
    url = json.loads(started.stdout)["management_url"]
    assert url.startswith("https:")
    assert in_process(home, "apps", "register", "sums", "--slo", "5s", "--default", "7").exit_code == ExitCode.OK
    assert in_process(home, "predict", "sums", "[1]").stdout == "7\n"
    assert in_process(home, "top", "--once", "--interval", "0.1").exit_code == ExitCode.OK

    remote = ("apps", "--url", url.replace("127.0.0.1", "localhost"))
    untrusted = in_process(home, *remote, CLIPPER_TOKEN=TOKEN)
    assert untrusted.exit_code == ExitCode.UNREACHABLE and "--ca-file" in untrusted.stderr
    misnamed = in_process(home, "apps", "--url", url, "--ca-file", str(files.certificate), CLIPPER_TOKEN=TOKEN)
    assert misnamed.exit_code == ExitCode.UNREACHABLE and "for another name" in misnamed.stderr
    trusted = (*remote, "--ca-file", str(files.certificate))
    refused = in_process(home, *trusted)
    assert refused.exit_code == ExitCode.UNAUTHORIZED and "--token-file" in refused.stderr
    assert in_process(home, *trusted, CLIPPER_TOKEN="x" * 43).exit_code == ExitCode.UNAUTHORIZED
    assert "sums" in in_process(home, *trusted, CLIPPER_TOKEN=TOKEN).stdout
    assert "sums" in in_process(home, *trusted, "--token-file", str(home / "token")).stdout
    words = {"_CLIPPER_COMPLETE": "complete_bash", "COMP_WORDS": "clipper apps show ", "COMP_CWORD": "3"}
    assert run_clipper(home, **words).stdout.split() == ["sums"]


def in_process(home: Path, *arguments: str, **variables: str) -> Any:
    """Run a command in this process, which is faster."""
    return CliRunner(env=clipper_environment(home, **variables)).invoke(app, arguments)
