"""Containers that are broken in every way: every query still gets exactly one answer, and nothing else is disturbed.

Processes that are killed, frozen or told to end under load: `test_reliability_rows`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bench.procfs import processes_of
from clipper import Clipper
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig, SupervisorConfig
from clipper.supervisor.launch import make_run_dir
from tests.support.container_process import ContainerProcess
from tests.support.http_responses import Response, parse_responses, post
from tests.support.http_server_thread import read_responses_bytes
from tests.support.processes import wait_until

pytestmark = pytest.mark.timeout(120)
SLO_US = 10_000_000
SHORT_SLO_US = 200_000
SLOW = {"CLIPPER_SIMULATED_BASE_US": "5000"}
DEADLINE_PASSED = "Failed to retrieve a prediction response within the specified latency SLO"


@contextlib.contextmanager
def running() -> Iterator[tuple[Clipper, Path]]:
    run_dir = make_run_dir()
    config = ClipperConfig(
        run_dir,
        listen=ListenConfig(query_port=0, management_port=0),
        supervisor=SupervisorConfig(restart_backoff_min_us=10_000),
        management=ManagementConfig(
            replace_backoff_min_us=10_000,
            replace_backoff_max_us=100_000,
            stop_grace_us=500_000,
            drain_limit_us=500_000,
            quarantine_failures=50,
        ),
    )
    try:
        with Clipper.start(config=config) as clipper:
            yield clipper, run_dir
        assert processes_of(run_dir) == {}
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Clipper, Path]]:
    with running() as both:
        both[0].register_application("neighbour", "doubles", -1, SLO_US)
        both[0].deploy_model("neighbour", 1, None, "doubles", container="noop")
        both[0].link_model_to_app("neighbour", "neighbour")
        yield both


@pytest.fixture
def clipper(shared: tuple[Clipper, Path]) -> Clipper:
    return shared[0]


@pytest.fixture
def run_dir(shared: tuple[Clipper, Path]) -> Path:
    return shared[1]


@contextlib.contextmanager
def serving(
    clipper: Clipper, name: str, *, slo_us: int = SLO_US, replicas: int = 1, environment: Mapping[str, str] = SLOW
) -> Iterator[str]:
    """Serve a simulated model for the length of a block."""
    clipper.register_application(name, "doubles", "default", slo_us)
    clipper.deploy_model(name, 1, None, "doubles", replicas, container="simulated", environment=environment)
    clipper.link_model_to_app(name, name)
    yield name
    clipper.unlink_model_from_app(name, name)
    clipper.delete_model_version(name, 1)
    clipper.delete_application(name)


class Client:
    """One keep-alive connection; a second answer to one request would be taken for the next one's and fail the test."""

    def __init__(self, clipper: Clipper) -> None:
        url = urlsplit(clipper.query_url)
        self._socket = socket.create_connection((url.hostname, url.port), 30)

    def ask(self, app: str, value: float) -> Response:
        self.begin(app, value)
        return self.finish()

    def begin(self, app: str, value: float) -> None:
        self._socket.sendall(post(json.dumps({"input": [value]}).encode(), path=f"/{app}/predict".encode()))

    def finish(self) -> Response:
        (answer,) = parse_responses(read_responses_bytes(self._socket, 1))
        return answer

    def close(self) -> None:
        """Close; AssertionError if something was sent that nobody asked for."""
        with self._socket:
            self._socket.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                unasked = self._socket.recv(1000)
                assert unasked == b"", f"an answer too many: {unasked!r}"


class Load:
    """Queries of several clients, each on its own thread, each with a number of its own."""

    def __init__(self, clipper: Clipper, app: str, clients: int = 4) -> None:
        self.answers: list[tuple[float, dict[str, Any]]] = []
        self.longest_s = 0.0
        self.errors: list[BaseException] = []
        self._is_done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(clipper, app, index)) for index in range(clients)]

    def _run(self, clipper: Clipper, app: str, index: int) -> None:
        try:
            client, value = Client(clipper), index * 1e6
            while not self._is_done.is_set():
                value += 1
                started_s = time.monotonic()
                self.answers.append((value, client.ask(app, value).json))
                self.longest_s = max(self.longest_s, time.monotonic() - started_s)
            client.close()
        except (OSError, AssertionError, KeyError, ValueError) as error:  # told to the test by __exit__
            self.errors.append(error)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.wait_answers(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_done.set()
        for thread in self._threads:
            thread.join()
        assert self.errors == []
        # By default or by the model: but what the model is said to have answered is its answer to this query.
        assert [one for value, one in self.answers if not one["default"] and one["output"] != value] == []

    def wait_answers(self, count: int) -> None:
        """Wait for so many more answers."""
        enough = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= enough or bool(self.errors), 30)


def replica_pids(clipper: Clipper, model: str) -> list[int]:
    return [one["pid"] for one in clipper.status()["replicas"] if one["model"] == model and one["state"] == "ready"]


FAULTS = ["raise", "wrong_count", "wrong_type", "item_error", "nan", "garbage", "bad_result", "hang", "freeze", "exit"]


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_container_is_answered_for_within_the_deadline(clipper: Clipper, fault: str) -> None:
    neighbour = Client(clipper)
    environment = {"CLIPPER_SIMULATED_FAULT": fault, "CLIPPER_SIMULATED_FAULT_EVERY": "2"}
    with serving(clipper, f"fault-{fault.replace('_', '-')}", slo_us=SHORT_SLO_US, environment=environment) as app:
        client = Client(clipper)
        seen = set()
        for value in range(6):
            answer = client.ask(app, float(value))
            assert answer.status == 200
            seen.add((answer.json["default"], answer.json.get("default_explanation", "").partition(":")[0]))
            assert answer.json["output"] == ("default" if answer.json["default"] else float(value))
            assert neighbour.ask("neighbour", float(value)).json["default"] is False
        assert any(is_default for is_default, _ in seen)
        assert any(not is_default for is_default, _ in seen)
        if fault in FAULTS[:5]:
            assert (True, "The model raised an error") in seen
        if fault in {"hang", "freeze"}:  # long before anybody suspects the replica
            assert (True, DEADLINE_PASSED) in seen
        client.close()
    neighbour.close()


def test_second_container_with_one_identity_ends_and_the_first_serves_on(
    clipper: Clipper, run_dir: Path, tmp_path: Path
) -> None:
    with serving(clipper, "twin") as app, Load(clipper, app) as load:
        (first,) = replica_pids(clipper, app)
        identity = {"CLIPPER_MODEL_NAME": app, "CLIPPER_REPLICA_ID": f"{app}:1:0"}
        second = ContainerProcess("noop", f"ipc://{run_dir}/rpc-0.sock", tmp_path / "second.log", identity)
        try:
            assert second.wait(20) == 3
        finally:
            second.kill()
        assert "DUPLICATE_REPLICA" in second.log_text()
        load.wait_answers(20)
        assert replica_pids(clipper, app) == [first]
    assert not any(answer["default"] for _, answer in load.answers)
