"""The REST API over real HTTP and stand-ins for containers: its use of HTTP, progress, and what is done to models."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import httpx
import pytest

from clipper.types import ReplicaId
from tests.support.management_calls import LINES, MODELS, deploy, events_of, is_there, register, version
from tests.support.management_server import ManagementInThread, client_of, management_server


@pytest.fixture(scope="module")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagementInThread]:
    with management_server(tmp_path_factory.mktemp("api") / "run") as server:
        yield server


@pytest.fixture
def client(management: ManagementInThread) -> Iterator[httpx.Client]:
    with client_of(management) as client:
        yield client


# -- HTTP ----------------------------------------------------------------------------------------------------------


def test_created_resource_is_named_by_its_location(client: httpx.Client) -> None:
    answer = register(client, "located")
    assert answer.status_code == 201
    assert client.get(answer.headers["Location"]).json() == answer.json()
    answer = client.post(f"{MODELS}/located/versions", json=version())
    assert answer.status_code == 201
    assert client.get(answer.headers["Location"]).json() == answer.json()


def test_head_is_answered_wherever_get_is_without_a_body(client: httpx.Client) -> None:
    deploy(client, "headed")
    for path in ("/healthz", "/api/v1/status", "/openapi.json", "/api/v1/replicas/headed:1:0/log?follow=true"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
    assert client.get("/healthz").json() == {"status": "ok"}  # the same connection


def test_unknown_method_is_405_and_options_names_what_there_is(client: httpx.Client) -> None:
    for path, allowed in (
        (f"{MODELS}/any", "DELETE, GET, HEAD, OPTIONS"),
        ("/api/v1/applications", "GET, HEAD, OPTIONS, POST"),
        ("/admin/add_app", "OPTIONS, POST"),
    ):
        answer = client.patch(path)
        assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == allowed
        options = client.options(path)
        assert (options.status_code, options.content, options.headers["Allow"]) == (204, b"", allowed)


def test_body_that_is_not_declared_as_json_is_415(client: httpx.Client) -> None:
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        answer = client.post("/api/v1/applications", content=b'{"name": "x"}', headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")
    answer = client.post("/api/v1/files", content=b"x", headers={"Content-Type": "application/json"})
    assert answer.status_code == 415


def test_page_of_another_site_changes_nothing(management: ManagementInThread, client: httpx.Client) -> None:
    body = b'{"name": "foreign", "input_type": "doubles", "default_output": "0", "latency_slo_micros": 1000}'
    for origin in ("https://evil.example", "null", "http://["):
        answer = client.post("/admin/add_app", content=body, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    answer = client.get("/healthz", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    own = client.post("/admin/add_app", content=body, headers={"Origin": management.url})
    assert own.status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'{"name": 1}', b"\xff", b'{"name": "\\ud800"}', b"[" * 100_000,
        b'{"name": "n", "input_type": "doubles", "default_output": NaN, "latency_slo_us": 1}',
        b'{"name": "n", "input_type": "doubles", "default_output": "\\ud800", "latency_slo_us": 1}',
        b'{"name": "n", "input_type": "doubles", "default_output": {"\\ud800": 1}, "latency_slo_us": 1}',
        b'{"name": "n", "input_type": "doubles", "default_output": 0, "latency_slo_us": 1e400}',
        b'{"name": "n", "input_type": "doubles", "default_output": 0, "latency_slo_us": ' + b"9" * 5000 + b"}",
        b'{"name": "n", "input_type": "doubles", "default_output": 0, "latency_slo_us": 1, "policy": {"name": []}}',
        b'{"name": "n", "input_type": "doubles", "default_output": 0, "latency_slo_us": 1, '
        b'"policy": {"name": "mean", "x": "\\ud800"}}',
    ],
)  # fmt: skip
def test_malformed_body_is_refused_and_nothing_is_registered(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/api/v1/applications", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] in ("invalid_argument", "bad_request")
    assert client.get("/api/v1/applications/n").status_code == 404


@pytest.mark.parametrize(("depth", "status"), [(64, 201), (65, 400), (900, 400)])
def test_default_output_nested_up_to_the_limit_is_taken(client: httpx.Client, depth: int, status: int) -> None:
    body = b'{"name": "deep", "input_type": "doubles", "latency_slo_us": 1, "default_output": '
    body += b"[" * depth + b"]" * depth + b"}"
    answer = client.post("/api/v1/applications", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert client.get("/api/v1/applications").status_code == 200


# -- progress ------------------------------------------------------------------------------------------------------


def test_deployment_streams_its_progress_and_its_result(client: httpx.Client) -> None:
    answer = client.post(f"{MODELS}/streamed/versions", json=version(replicas=2), headers=LINES)
    *progress, last = events_of(answer)
    assert answer.status_code == 200
    stages = [event["stage"] for event in progress]
    assert stages[:2] == ["registering", "files"]
    assert stages[-2:] == ["ready", "switching"]
    assert [event["ready_replicas"] for event in progress] == sorted(event["ready_replicas"] for event in progress)
    assert {event["replicas"] for event in progress} == {2}
    times_us = [event["elapsed_us"] for event in progress]
    assert times_us == sorted(times_us)
    assert last == {"event": "done", "result": client.get(f"{MODELS}/streamed/versions/1").json()}


def test_failed_deployment_streams_what_failed_and_leaves_nothing(client: httpx.Client) -> None:
    *_, last = events_of(client.post(f"{MODELS}/failing/versions", json=version(mode="die"), headers=LINES))
    assert {key: last[key] for key in ("event", "error", "status", "retriable")} == {
        "event": "error", "error": "deploy_failed", "status": 502, "retriable": False,
    }  # fmt: skip
    assert last["log_tail"] == "failing:1:0 is die"
    assert not is_there(client, "failing")
    plain = client.post(f"{MODELS}/failing/versions", json=version(mode="die"))
    assert plain.status_code == 502
    assert plain.json() == {key: last[key] for key in ("error", "cause", "hint", "log_tail")}


def test_refusal_before_anything_has_happened_is_a_plain_error_also_of_a_stream(client: httpx.Client) -> None:
    deploy(client, "refused")
    for answer in (
        client.post(f"{MODELS}/refused/versions", json=version(), headers=LINES),
        client.put(f"{MODELS}/refused/versions/7/replicas", json={"count": 2}, headers=LINES),
        client.delete(f"{MODELS}/unknown", headers=LINES),
    ):
        assert answer.status_code in (404, 409)
        assert answer.headers["content-type"] == "application/json"


def test_scaling_and_deleting_stream_their_progress(client: httpx.Client) -> None:
    deploy(client, "scaled")
    *progress, last = events_of(client.put(f"{MODELS}/scaled/versions/1/replicas", json={"count": 3}, headers=LINES))
    assert progress[0]["detail"] == "scaling scaled:1 from 1 to 3 replicas"
    assert progress[-1]["ready_replicas"] == last["result"]["ready_replicas"] == 3
    *progress, last = events_of(client.delete(f"{MODELS}/scaled/versions/1", headers=LINES))
    assert last == {"event": "done", "result": None}
    assert progress[-1]["stage"] == "stopping"
    assert not is_there(client, "scaled")


# -- models --------------------------------------------------------------------------------------------------------


def test_deleting_a_model_removes_its_versions_replicas_and_files_unless_it_is_linked(
    management: ManagementInThread, client: httpx.Client
) -> None:
    register(client, "uses-whole")
    for number in (1, 2):
        deploy(client, "whole", number)
    client.put("/api/v1/applications/uses-whole/links/whole").raise_for_status()
    refused = client.delete(f"{MODELS}/whole")
    assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
    assert "uses-whole" in refused.json()["cause"]
    client.delete("/api/v1/applications/uses-whole/links/whole").raise_for_status()
    assert client.delete(f"{MODELS}/whole").status_code == 204
    assert client.get(f"{MODELS}/whole").status_code == 404
    assert [replica for replica in client.get("/api/v1/replicas").json() if replica["model"] == "whole"] == []
    assert not (management.config.model_dir / "whole").exists()
    assert client.delete(f"{MODELS}/whole").status_code == 404


def test_roll_back_goes_back_step_by_step_and_says_when_there_is_no_further(client: httpx.Client) -> None:
    for number in (1, 2, 3):
        deploy(client, "rolled", number)
    for expected in ("2", "1"):
        assert client.post(f"{MODELS}/rolled/rollback").json()["current_version"] == expected
    answer = client.post(f"{MODELS}/rolled/rollback")
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert client.post(f"{MODELS}/unknown/rollback").status_code == 404


def test_uploaded_files_are_taken_by_the_first_deployment_that_names_them(
    management: ManagementInThread, client: httpx.Client
) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        info = tarfile.TarInfo("inner/weights.bin")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    answer = client.post("/api/v1/files", content=file.getvalue(), headers={"Content-Type": "application/x-tar"})
    assert answer.status_code == 201
    files = answer.json()["files"]
    deploy(client, "uploaded", files=files)
    assert (management.config.model_dir / "uploaded" / "1" / "inner" / "weights.bin").read_bytes() == b"abc"
    again = client.post(f"{MODELS}/uploaded/versions", json=version(2, files=files))
    assert (again.status_code, again.json()["error"]) == (400, "invalid_argument")
    assert not is_there(client, "uploaded", 2)


def test_followed_log_gives_new_lines_until_the_version_is_deleted(
    management: ManagementInThread, client: httpx.Client
) -> None:
    deploy(client, "told")
    path = management.manager.log_path(ReplicaId("told:1:0"))
    with client.stream("GET", "/api/v1/replicas/told:1:0/log", params={"follow": True, "lines": 1}) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        lines = answer.iter_lines()
        assert next(lines) == "told:1:0 is ready"
        with path.open("a") as file:
            file.write("one\ntw")
        assert next(lines) == "one"
        with path.open("a") as file:
            file.write("o\n")
        assert next(lines) == "two"
        with client_of(management) as other:
            other.delete(f"{MODELS}/told")
        assert list(lines) == []


def test_configuration_is_shown_by_section(client: httpx.Client, management: ManagementInThread) -> None:
    document = client.get("/api/v1/config").json()
    assert document["run_dir"] == str(management.config.run_dir)
    assert document["management"]["max_request_bytes"] == management.config.management.max_request_bytes
    assert document["listen"]["management_port"] == management.config.listen.management_port
