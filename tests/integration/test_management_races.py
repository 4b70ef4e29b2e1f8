"""The REST API: callers that leave, and calls that race."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from clipper.types import ModelId, ReplicaId
from tests.support.management_calls import MODELS, become_ready, deploy, is_there, register, version
from tests.support.management_server import ManagementInThread, client_of, management_server
from tests.support.processes import wait_until


@pytest.fixture(scope="module")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagementInThread]:
    with management_server(tmp_path_factory.mktemp("api") / "run") as server:
        yield server


@pytest.fixture
def client(management: ManagementInThread) -> Iterator[httpx.Client]:
    with client_of(management) as client:
        yield client


# -- callers that leave ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["*/*", "application/x-ndjson"])
def test_deployment_goes_on_when_its_caller_leaves(
    management: ManagementInThread, client: httpx.Client, accept: str
) -> None:
    name = "left-stream" if "json" in accept else "left-plain"
    body = json.dumps(version(mode="silent")).encode()
    with socket.create_connection(("127.0.0.1", management.config.listen.management_port)) as raw:
        raw.sendall(
            f"POST {MODELS}/{name}/versions HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        wait_until(lambda: management.fleet.table.get(ReplicaId(f"{name}:1:0")) is not None)
    assert client.get(f"{MODELS}/{name}/versions/1").json()["is_deployed"] is False
    become_ready(management, f"{name}:1:0")
    wait_until(lambda: client.get(f"{MODELS}/{name}/versions/1").json()["is_deployed"])
    assert client.get(f"{MODELS}/{name}").json()["current_version"] == "1"


def test_deleting_a_version_ends_its_deployment_and_tells_the_deployer(
    management: ManagementInThread, client: httpx.Client
) -> None:
    with ThreadPoolExecutor(1) as pool, client_of(management) as other:
        deployment = pool.submit(other.post, f"{MODELS}/cancelled/versions", json=version(mode="silent"))
        wait_until(lambda: is_there(client, "cancelled"))
        assert client.delete(f"{MODELS}/cancelled/versions/1").status_code == 204
        answer = deployment.result(10)
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert "deleted by another request" in answer.json()["cause"]
    assert not is_there(client, "cancelled")
    assert list(management.fleet.table.of(ModelId("cancelled", "1"))) == []
    assert not (management.config.model_dir / "cancelled").exists()


def test_end_of_the_server_ends_streams_and_deployments_at_once(tmp_path: Path) -> None:
    with management_server(tmp_path / "run") as management, client_of(management) as client:
        deploy(client, "logged")
        with ThreadPoolExecutor(2) as pool:
            log = pool.submit(client.get, "/api/v1/replicas/logged:1:0/log", params={"follow": True})
            deployment = pool.submit(client.post, f"{MODELS}/late/versions", json=version(mode="silent"))
            wait_until(lambda: is_there(client, "late"))
            wait_until(lambda: len(management.call(lambda: list(management.server.server_state.tasks))) == 2)
            management.stop()
            # Left to itself uvicorn would wait three seconds and then cut both: neither would have an answer.
            assert log.result(10).text == "logged:1:0 is ready\n"
            answer = deployment.result(10)
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert "being stopped" in answer.json()["cause"]


# -- races -----------------------------------------------------------------------------------------------------------


def race(management: ManagementInThread, calls: list[tuple[str, str, Any]]) -> list[httpx.Response]:
    """Make all calls at the same time, each on a connection of its own."""
    gate = threading.Barrier(len(calls))

    def call(method: str, path: str, body: Any) -> httpx.Response:
        with client_of(management) as client:
            client.get("/healthz")  # connected
            gate.wait(10)
            return client.request(method, path, json=body)

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(20) for future in [pool.submit(call, *each) for each in calls]]


def test_of_calls_that_race_for_one_name_exactly_one_wins(management: ManagementInThread, client: httpx.Client) -> None:
    values = {"input_type": "doubles", "default_output": 0, "latency_slo_us": 1000}
    registrations: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/applications", {**values, "name": "raced", "latency_slo_us": 1000 + number})
        for number in range(8)
    ]
    answers = race(management, registrations)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 409} == {"already_exists"}
    (won,) = (answer.json() for answer in answers if answer.status_code == 201)
    assert client.get("/api/v1/applications/raced").json() == won


def test_of_deployments_that_race_for_one_version_exactly_one_wins(
    management: ManagementInThread, client: httpx.Client
) -> None:
    answers = race(management, [("POST", f"{MODELS}/raced/versions", version(description=str(n))) for n in range(6)])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 5}
    assert {answer.json()["error"] for answer in answers if answer.status_code == 409} == {"already_exists"}
    (won,) = (answer.json() for answer in answers if answer.status_code == 201)
    assert client.get(f"{MODELS}/raced/versions/1").json() == won
    assert len([replica for replica in client.get("/api/v1/replicas").json() if replica["model"] == "raced"]) == 1


def test_deletions_that_race_leave_nothing_and_one_of_them_did_it(
    management: ManagementInThread, client: httpx.Client
) -> None:
    deploy(client, "doomed", replicas=2)
    answers = race(management, [("DELETE", f"{MODELS}/doomed/versions/1", None)] * 4)
    counts = Counter(answer.status_code for answer in answers)
    assert counts[204] == 1
    assert set(counts) <= {204, 404, 409}
    assert client.get(f"{MODELS}/doomed").status_code == 404


def test_deploying_and_deleting_at_once_ends_in_one_of_the_two(
    management: ManagementInThread, client: httpx.Client
) -> None:
    for number in range(1, 6):
        deployed, deleted = race(
            management,
            [
                ("POST", f"{MODELS}/torn/versions", version(number)),
                ("DELETE", f"{MODELS}/torn/versions/{number}", None),
            ],
        )
        exists = is_there(client, "torn", number)
        assert (deployed.status_code, deleted.status_code, exists) in {
            (201, 404, True), (201, 204, False), (409, 204, False),
        }  # fmt: skip
        assert (management.config.model_dir / "torn" / str(number)).exists() is exists


def test_second_scaling_of_a_version_is_refused_while_the_first_waits(
    management: ManagementInThread, client: httpx.Client
) -> None:
    deploy(client, "busy", mode="")
    management.call(setattr, management.manager, "on_ready", lambda _: None)  # whoever starts now stays silent
    try:
        with ThreadPoolExecutor(1) as pool, client_of(management) as other:
            path = f"{MODELS}/busy/versions/1/replicas"
            scaling = pool.submit(other.put, path, json={"count": 2})
            wait_until(lambda: client.get(f"{MODELS}/busy/versions/1").json()["replicas"] == 2)
            answer = client.put(path, json={"count": 3})
            assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
            assert "being scaled" in answer.json()["cause"]
            become_ready(management, "busy:1:1")
            assert scaling.result(10).json()["ready_replicas"] == 2
    finally:
        management.call(
            setattr, management.manager, "on_ready",
            lambda replica_id: management.fleet.on_session(replica_id, 0, "ready", ""),
        )  # fmt: skip


# -- what is not there -------------------------------------------------------------------------------------------------


def test_upload_whose_sender_leaves_is_forgotten(management: ManagementInThread, client: httpx.Client) -> None:
    staging = management.config.staging_dir
    with socket.create_connection(("127.0.0.1", management.config.listen.management_port)) as raw:
        raw.sendall(b"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n" + b"x" * 600)
        wait_until(lambda: list(staging.iterdir()) != [])
    wait_until(lambda: list(staging.iterdir()) == [])
    assert client.get("/healthz").status_code == 200


def test_change_that_no_frontend_applies_is_503_and_says_what_stays(tmp_path: Path) -> None:
    with (
        management_server(tmp_path / "run", worker_count=1, apply_limit_us=100_000) as management,
        client_of(management) as client,
    ):
        answer = register(client, "waiting")
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert "is registered and takes effect when the worker is back" in answer.json()["cause"]
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/api/v1/applications/waiting").status_code == 200
        answer = client.delete("/api/v1/applications/waiting")
        assert answer.status_code == 503
        assert client.get("/api/v1/applications/waiting").status_code == 404


def test_deployment_that_no_frontend_learns_of_leaves_nothing(tmp_path: Path) -> None:
    with (
        management_server(tmp_path / "run", worker_count=1, apply_limit_us=100_000) as management,
        client_of(management) as client,
    ):
        answer = client.post(f"{MODELS}/unheard/versions", json=version())
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert answer.json()["cause"] == (
            "unheard:1 is not deployed, and nothing of it is left: "
            "frontend worker 0 did not apply revision 1 within 0.1 s"
        )
        assert not is_there(client, "unheard")
        assert list(management.fleet.table) == []
        assert not (management.config.model_dir / "unheard").exists()


def test_deployment_whose_switch_no_frontend_learns_of_leaves_the_version_before_it(tmp_path: Path) -> None:
    with (
        management_server(tmp_path / "run", apply_limit_us=100_000) as management,
        client_of(management) as client,
    ):
        deploy(client, "switched")
        register(client, "digits")
        assert client.put("/api/v1/applications/digits/links/switched").status_code == 200

        def become_ready_without_frontends(replica_id: ReplicaId) -> None:
            management.channel._worker_count = 1  # from now on a change waits for a worker, and none is there
            management.fleet.on_session(replica_id, 0, "ready", "")

        management.call(setattr, management.manager, "on_ready", become_ready_without_frontends)
        answer = client.post(f"{MODELS}/switched/versions", json=version(2))
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert "switched:2 is not deployed, and nothing of it is left" in answer.json()["cause"]
        assert not is_there(client, "switched", 2)
        assert client.get(f"{MODELS}/switched").json()["current_version"] == "1"
        assert [str(replica.replica_id) for replica in management.fleet.table] == ["switched:1:0"]
