"""The supervisor with real processes: what it restarts, what it leaves behind (nothing), and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.procfs import processes_of
from clipper.config import ClipperConfig, FrontendConfig, read_config
from clipper.errors import StartError
from clipper.supervisor.launch import RunningSupervisor, child_environment, launch, make_run_dir
from tests.support.processes import SUPPORT, make_config, pid_of, wait_until, watch_deaths

LIMIT_S = 15
START_LIMIT_US = 30_000_000
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """A short path: Unix sockets lie in it. Nothing of the test may be left running in it."""
    directory = make_run_dir()
    yield directory
    # What a supervisor leaves when it is killed, the kernel ends with it: soon, but not before the kill returns.
    deadline_s = time.monotonic() + LIMIT_S
    while (left := processes_of(directory)) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    subprocess.run(["rm", "-rf", str(directory)], check=True)
    assert left == {}, "processes were left behind"


def with_fake_management(run_dir: Path, containers: int = 0, mode: str = "") -> ClipperConfig:
    """Both servers are stand-ins; management has so many containers started."""
    config = make_config(run_dir, sys.executable)
    commands = [container_command(run_dir, f"fake:1:{index}", mode) for index in range(containers)]
    (run_dir / "containers.json").write_text(json.dumps(commands))
    command = (sys.executable, str(SUPPORT / "fake_management.py"))
    return replace(config, management=replace(config.management, command=command))


def container_command(run_dir: Path, replica_id: str, mode: str) -> dict[str, Any]:
    env = {
        "CLIPPER_REPLICA_ID": replica_id,
        "CLIPPER_MODEL_PATH": str(run_dir / "models" / "fake" / "1"),
        "CLIPPER_RPC_ADDRESS": "ipc://none",
        "CLIPPER_FAKE": mode,
    }
    argv = [sys.executable, str(SUPPORT / "fake_container.py")]
    return {
        "op": "start",
        "id": replica_id,
        "argv": argv,
        "env": env,
        "log": str(run_dir / "logs" / f"{replica_id}.log"),
    }


@contextlib.contextmanager
def running(config: ClipperConfig) -> Iterator[RunningSupervisor]:
    supervisor = launch(config, START_LIMIT_US)
    try:
        yield supervisor
    finally:
        if supervisor.process.poll() is None:
            supervisor.process.kill()
            supervisor.process.wait()


def wait_for_containers(run_dir: Path, count: int) -> None:
    wait_until(lambda: len(list(run_dir.glob("ready-*"))) == count)


def events(run_dir: Path) -> list[dict[str, Any]]:
    path = run_dir / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ask_health(config: ClipperConfig) -> bytes:
    with socket.create_connection((config.listen.query_host, config.listen.query_port), timeout=LIMIT_S) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.recv(4096)


def test_sigkill_of_the_supervisor_leaves_no_process_behind(run_dir: Path) -> None:
    with running(with_fake_management(run_dir, containers=2, mode="stubborn")) as supervisor:
        wait_for_containers(run_dir, 2)
        pids = processes_of(run_dir)
        assert len(pids) == 5
        with watch_deaths(pids) as survivors:
            supervisor.process.kill()
            supervisor.process.wait(LIMIT_S)
            assert survivors(LIMIT_S) == []


def test_sigkill_of_the_owner_leaves_no_process_behind(run_dir: Path) -> None:
    with_fake_management(run_dir, containers=2).write()
    owner_code = (
        "import sys, signal, pathlib\n"
        "from clipper.config import read_config\n"
        "from clipper.supervisor.launch import launch\n"
        "launch(read_config(pathlib.Path(sys.argv[1])), 30_000_000)\n"
        "print('started', flush=True)\n"
        "while True: signal.pause()\n"
    )
    argv = [sys.executable, "-c", owner_code, str(run_dir)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=child_environment()) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        wait_for_containers(run_dir, 2)
        pids = processes_of(run_dir)
        assert len(pids) == 6
        with watch_deaths(pids) as survivors:
            owner.kill()
            owner.wait(LIMIT_S)
            assert survivors(LIMIT_S) == []
    assert (run_dir / "ended.txt").read_text().split() == ["frontend", "container", "container", "management"]


def test_sigterm_drains_frontends_then_containers_then_management_and_exits_with_zero(run_dir: Path) -> None:
    with running(with_fake_management(run_dir, containers=2)) as supervisor:
        wait_for_containers(run_dir, 2)
        assert supervisor.stop() == 0
    assert (run_dir / "ended.txt").read_text().split() == ["frontend", "container", "container", "management"]
    assert {"event": "draining"} in events(run_dir)


def test_second_sigterm_kills_what_does_not_end(run_dir: Path) -> None:
    with running(with_fake_management(run_dir, containers=1, mode="stubborn")) as supervisor:
        wait_for_containers(run_dir, 1)
        supervisor.process.terminate()
        wait_until(
            lambda: "frontend" in (run_dir / "ended.txt").read_text() if (run_dir / "ended.txt").exists() else False
        )
        supervisor.process.terminate()
        assert supervisor.process.wait(5) == 0


def test_killed_frontend_is_restarted_and_no_waiting_connection_is_lost(run_dir: Path) -> None:
    with running(with_fake_management(run_dir)) as supervisor:
        pid = pid_of(run_dir, "fake_frontend.py")
        with watch_deaths([pid]) as survivors:
            os.kill(pid, signal.SIGKILL)
            assert survivors(LIMIT_S) == []
        # Nobody accepts now: the connection waits in the supervisor's socket.
        assert ask_health(supervisor.config).startswith(b"HTTP/1.1 200")
        assert pid_of(run_dir, "fake_frontend.py") != pid
        assert supervisor.stop() == 0


def test_killed_management_is_restarted_and_told_which_containers_live_on(run_dir: Path) -> None:
    with running(with_fake_management(run_dir, containers=1)) as supervisor:
        wait_for_containers(run_dir, 1)
        container = pid_of(run_dir, "fake_container.py")
        (run_dir / "containers.json").write_text("[]")
        (run_dir / "events.jsonl").unlink()
        os.kill(pid_of(run_dir, "fake_management.py"), signal.SIGKILL)
        wait_until(lambda: {"event": "listed"} in events(run_dir))
        assert events(run_dir) == [
            {"event": "restarts", "counts": {"management": 1}},
            {"event": "started", "id": "fake:1:0", "pid": container, "devices": ""},
            {"event": "listed"},
        ]
        assert supervisor.stop() == 0


def test_death_of_a_container_is_reported_with_its_log_complete(run_dir: Path) -> None:
    with running(with_fake_management(run_dir, containers=1, mode="raise")) as supervisor:
        wait_until(lambda: any(event["event"] == "exited" for event in events(run_dir)))
        (ended,) = (event for event in events(run_dir) if event["event"] == "exited")
        assert (ended["id"], ended["code"]) == ("fake:1:0", 1)
        assert (run_dir / "logs" / "fake:1:0.log").read_text().endswith("the model is broken on purpose\n")
        assert supervisor.stop() == 0


def test_taken_port_is_a_start_error_that_names_it_and_leaves_nothing_running(run_dir: Path) -> None:
    config = with_fake_management(run_dir)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port} .*taken") as caught:
            launch(replace(config, listen=replace(config.listen, query_port=port)), START_LIMIT_US)
    assert "query_port" in caught.value.hint
    assert processes_of(run_dir) == {}


def test_run_dir_in_use_is_a_start_error_and_its_user_is_not_disturbed(run_dir: Path) -> None:
    config = with_fake_management(run_dir)
    with running(config) as supervisor:
        with pytest.raises(StartError, match="in use"):
            launch(replace(config, remove_run_dir=True), START_LIMIT_US)
        assert read_config(run_dir) == supervisor.config
        assert supervisor.stop() == 0


@pytest.mark.parametrize("most_bytes", [0, 100], ids=["nothing fits", "the configuration does not fit"])
def test_disk_that_takes_nothing_is_a_start_error_that_says_so(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    config = with_fake_management(run_dir)
    # No file of the supervisor's may grow further, its standard error included: the disk's way of saying so.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec prlimit --fsize={most_bytes} {sys.executable} "$@"\n')
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(StartError, match=rf"run_dir='{run_dir}' cannot be used: .*File too large.*free space"):
        launch(config, START_LIMIT_US)
    assert processes_of(run_dir) == {}


def test_frontend_that_dies_at_each_start_is_a_start_error_with_its_last_words(run_dir: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no such core')")
    config = replace(with_fake_management(run_dir), frontend=FrontendConfig(command=command))
    with pytest.raises(StartError, match="no such core"):
        launch(config, START_LIMIT_US)
    # The kernel ends the children of a killed supervisor, a moment later.
    wait_until(lambda: processes_of(run_dir) == {})


def test_frontend_that_never_answers_is_a_start_error_at_the_limit(run_dir: Path) -> None:
    command = (sys.executable, "-c", "import signal; signal.pause()")
    config = replace(with_fake_management(run_dir), frontend=FrontendConfig(command=command))
    with pytest.raises(StartError, match="query did not come up"):
        launch(config, start_limit_us=1_500_000)


def test_fresh_run_dir_is_private_and_removed_after_an_orderly_stop() -> None:
    directory = make_run_dir()
    assert directory.stat().st_mode & 0o777 == 0o700
    with running(replace(with_fake_management(directory), remove_run_dir=True)) as supervisor:
        assert supervisor.stop() == 0
    assert not directory.exists()
