"""Management with real processes behind stand-ins for frontend and container: the Python API end to end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from bench.procfs import processes_of
from clipper import (
    AlreadyExistsError,
    Clipper,
    ConflictError,
    DeployError,
    InvalidArgumentError,
    NotFoundError,
    ServerError,
    UnavailableError,
)
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import make_config, pid_of, wait_until, watch_deaths

pytestmark = pytest.mark.timeout(120)
READY_LIMIT_US = 3_000_000


@contextlib.contextmanager
def started(**management: object) -> Iterator[tuple[Clipper, Path]]:
    run_dir = make_run_dir()
    try:
        with Clipper.start(config=make_config(run_dir, sys.executable, **management)) as clipper:
            yield clipper, run_dir
        assert processes_of(run_dir) == {}, "processes were left behind"
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Clipper, Path]]:
    with started(ready_limit_us=READY_LIMIT_US) as both:
        yield both


@pytest.fixture
def clipper(shared: tuple[Clipper, Path]) -> Clipper:
    return shared[0]


@pytest.fixture
def run_dir(shared: tuple[Clipper, Path]) -> Path:
    return shared[1]


def told(run_dir: Path, kind: str) -> list[dict[str, Any]]:
    lines = (run_dir / "told-0.jsonl").read_text().splitlines()
    return [message for message in map(json.loads, lines) if message["type"] == kind]


def deploy(clipper: Clipper, name: str, version: int = 1, mode: str = "", **options: Any) -> None:
    clipper.deploy_model(name, version, container="fake", environment={"CLIPPER_FAKE": mode}, **options)


def replicas_of(clipper: Clipper, name: str) -> list[dict[str, Any]]:
    return [replica for replica in clipper.status()["replicas"] if replica["model"] == name]


def test_link_is_applied_by_the_frontend_when_the_call_returns(clipper: Clipper, run_dir: Path) -> None:
    clipper.register_application("linked", "doubles", -1.5, 20_000)
    deploy(clipper, "link-a")
    deploy(clipper, "link-b")
    clipper.link_model_to_app("linked", "link-a")
    clipper.link_model_to_app("linked", "link-b")
    snapshot = told(run_dir, "snapshot")[-1]
    (application,) = (entry for entry in snapshot["applications"] if entry["name"] == "linked")
    assert application["models"] == ["link-a", "link-b"]
    assert application["default_output"] == "-1.5"
    assert application["policy"] == {"name": "majority"}
    status = clipper.status()
    assert status["workers"][0]["applied_revision"] == status["revision"] == snapshot["revision"]


def test_registering_a_taken_name_or_linking_what_does_not_fit_is_refused(clipper: Clipper) -> None:
    clipper.register_application("taken", "strings", "", 20_000)
    with pytest.raises(AlreadyExistsError, match="'taken'"):
        clipper.register_application("taken", "doubles", 0, 20_000)
    deploy(clipper, "numbers")
    with pytest.raises(ConflictError, match="strings"):
        clipper.link_model_to_app("taken", "numbers")
    with pytest.raises(NotFoundError, match="no model 'nobody'"):
        clipper.link_model_to_app("taken", "nobody")
    with pytest.raises(InvalidArgumentError, match="latency_slo_us"):
        clipper.register_application("slow", "doubles", 0, 0)
    with pytest.raises(InvalidArgumentError, match="no JSON"):
        clipper.register_application("nan", "doubles", float("nan"), 1_000)


def test_change_that_the_frontend_refuses_is_undone(clipper: Clipper) -> None:
    before = clipper.status()["applications"]
    with pytest.raises(ServerError, match="told to refuse"):
        clipper.register_application("refused", "doubles", 0, 20_000)
    status = clipper.status()
    assert status["applications"] == before
    assert status["workers"][0]["applied_revision"] == status["revision"]


def test_deployed_model_has_its_replicas_ready_and_its_files_in_place(clipper: Clipper, run_dir: Path) -> None:
    deploy(clipper, "ready", replicas=2)
    assert [(replica["replica_id"], replica["state"]) for replica in replicas_of(clipper, "ready")] == [
        ("ready:1:0", "ready"),
        ("ready:1:1", "ready"),
    ]
    assert (run_dir / "models" / "ready" / "1").is_dir()
    assert f"ipc://{run_dir}/rpc-0.sock" in clipper.logs("ready:1:0")


@pytest.mark.parametrize(("mode", "text"), [("raise", "the model is broken on purpose"), ("silent", "loading broken")])
def test_failed_deployment_carries_the_log_and_leaves_nothing(
    clipper: Clipper, run_dir: Path, mode: str, text: str
) -> None:
    with pytest.raises(DeployError) as caught:
        deploy(clipper, "broken", mode=mode, replicas=2)
    assert text in caught.value.log_tail
    status = clipper.status()
    assert all(model["name"] != "broken" for model in status["models"])
    assert replicas_of(clipper, "broken") == []
    assert not (run_dir / "models" / "broken").exists()
    assert list((run_dir / "models" / ".staging").iterdir()) == []
    assert told(run_dir, "snapshot")[-1]["revision"] == status["revision"]
    assert all(model["name"] != "broken" for model in told(run_dir, "snapshot")[-1]["models"])


def test_version_is_deployed_once_even_by_two_callers_at_a_time(clipper: Clipper) -> None:
    outcomes: list[str] = []

    def deploy_once() -> None:
        try:
            deploy(clipper, "raced")
            outcomes.append("deployed")
        except AlreadyExistsError:
            outcomes.append("refused")

    threads = [threading.Thread(target=deploy_once) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["deployed", "refused"]
    assert len(replicas_of(clipper, "raced")) == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": "Bad_Name"}, "no model name"),
        ({"version": "1.0"}, "no model version"),
        ({"replicas": 0}, "replicas"),
        ({"input_type": "pictures"}, "input_type"),
        ({"container": "unknown"}, "no container 'unknown'"),
        ({"environment": {"LD_PRELOAD": "/tmp/x.so"}}, "LD_PRELOAD"),
        ({"environment": {"CLIPPER_MODEL_PATH": "/"}}, "CLIPPER_MODEL_PATH"),
        ({"labels": ["a,b"]}, "labels"),
        ({"container": None}, "deploy_model needs a model"),
    ],
)
def test_deployment_with_a_bad_value_is_refused(clipper: Clipper, options: dict[str, Any], match: str) -> None:
    values: dict[str, Any] = {"name": "fine", "version": 1, "container": "fake", **options}
    with pytest.raises(InvalidArgumentError, match=match):
        clipper.deploy_model(values.pop("name"), values.pop("version"), **values)


def test_files_outside_the_staging_directory_are_refused(clipper: Clipper, run_dir: Path, tmp_path: Path) -> None:
    body = {"version": "1", "input_type": "doubles", "container": "fake"}
    for path in (
        str(tmp_path),
        str(run_dir / "models"),
        str(run_dir / "models" / ".staging" / ".." / ".."),
        "relative",
    ):
        answer = httpx.post(f"{clipper.management_url}/api/v1/models/x/versions", json={**body, "files": path})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_argument")


def test_scaling_up_and_down_is_done_when_the_call_returns_and_drains_first(clipper: Clipper, run_dir: Path) -> None:
    deploy(clipper, "scaled")
    clipper.set_num_replicas("scaled", 3)
    assert [replica["state"] for replica in replicas_of(clipper, "scaled")] == ["ready"] * 3
    clipper.set_num_replicas("scaled", 1)
    assert [replica["replica_id"] for replica in replicas_of(clipper, "scaled")] == ["scaled:1:0"]
    drained = {message["replica_id"] for message in told(run_dir, "drain_replica")}
    assert {"scaled:1:1", "scaled:1:2"} <= drained
    with pytest.raises(InvalidArgumentError, match="replicas"):
        clipper.set_num_replicas("scaled", 0)
    with pytest.raises(NotFoundError):
        clipper.set_num_replicas("scaled", 1, version=9)


def test_dead_replica_is_reported_to_the_frontend_at_once_and_replaced(clipper: Clipper, run_dir: Path) -> None:
    deploy(clipper, "mortal", replicas=2)
    victim = replicas_of(clipper, "mortal")[0]
    os.kill(victim["pid"], signal.SIGKILL)
    # This frontend watches no heartbeats, so it can only learn it from the death of the process itself.
    gone = {"type": "replica_gone", "replica_id": "mortal:1:0"}
    wait_until(lambda: gone in told(run_dir, "replica_gone"))
    wait_until(lambda: [replica["state"] for replica in replicas_of(clipper, "mortal")] == ["ready", "ready"])
    assert victim["pid"] not in {replica["pid"] for replica in replicas_of(clipper, "mortal")}


def test_version_that_fails_five_times_in_a_row_is_quarantined_until_asked_for_anew(
    clipper: Clipper, run_dir: Path
) -> None:
    deploy(clipper, "crashing", mode="crash")
    crash = run_dir / "crash"
    crash.touch()
    wait_until(lambda: _version(clipper, "crashing")["is_quarantined"])
    version = _version(clipper, "crashing")
    assert version["failures"] == 5
    assert "exited with code 3" in version["last_failure"]
    assert "loading crashing:1:0" in version["log_tail"]
    wait_until(lambda: replicas_of(clipper, "crashing") == [])  # the last one's end is noted just after
    crash.unlink()
    clipper.set_num_replicas("crashing", 1)
    assert [replica["state"] for replica in replicas_of(clipper, "crashing")] == ["ready"]
    assert not _version(clipper, "crashing")["is_quarantined"]


def _version(clipper: Clipper, name: str) -> dict[str, Any]:
    (model,) = (model for model in clipper.status()["models"] if model["name"] == name)
    version: dict[str, Any] = model["versions"][0]
    return version


def test_new_version_becomes_current_and_the_old_one_can_be_brought_back(clipper: Clipper) -> None:
    deploy(clipper, "rolled")
    deploy(clipper, "rolled", version=2)
    deploy(clipper, "rolled", version=3, make_current=False)
    assert _current(clipper, "rolled") == "2"
    clipper.set_model_version("rolled", 1)
    assert _current(clipper, "rolled") == "1"
    with pytest.raises(NotFoundError, match="'9'"):
        clipper.set_model_version("rolled", 9)
    clipper.delete_model_version("rolled", 2)
    assert {replica["version"] for replica in replicas_of(clipper, "rolled")} == {"1", "3"}


def _current(clipper: Clipper, name: str) -> str:
    (model,) = (model for model in clipper.status()["models"] if model["name"] == name)
    return str(model["current_version"])


def test_log_of_a_replica_that_never_was_is_not_found(clipper: Clipper) -> None:
    deploy(clipper, "logged")
    clipper.logs("logged:1:0")
    with pytest.raises(NotFoundError, match="no log of a replica 'logged:1:7'"):
        clipper.logs("logged:1:7")


def test_predict_takes_arrays_bytes_and_batches(clipper: Clipper) -> None:
    prediction = clipper.predict("any", np.array([1.5, 2.0]))
    assert (prediction.output, prediction.is_default, prediction.model) == ([1.5, 2.0], False, "m:1")
    assert clipper.predict("any", b"\x00\xff").output == "AP8="
    assert [item.output for item in clipper.predict_batch("any", np.eye(2))] == [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(InvalidArgumentError, match="no JSON"):
        clipper.predict("any", [float("inf")])


def test_second_client_connects_and_its_stop_leaves_clipper_running(clipper: Clipper) -> None:
    with Clipper.connect(clipper.management_url) as second:
        assert second.query_url == clipper.query_url
        assert second.status()["run_dir"] == clipper.status()["run_dir"]
        second.stop()
        with pytest.raises(UnavailableError, match="has been stopped"):
            second.status()
    assert clipper.status()["workers"]


def test_nothing_to_connect_to_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        Clipper.connect("http://127.0.0.1:9")


def test_management_answers_errors_as_json_and_has_an_openapi_document(clipper: Clipper) -> None:
    with httpx.Client(base_url=clipper.management_url, trust_env=False) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert "/api/v1/applications" in client.get("/openapi.json").json()["paths"]
        for method, path, status, code in (
            ("GET", "/nowhere", 404, "not_found"),
            ("POST", "/api/v1/status", 405, "method_not_allowed"),
            ("GET", "/api/v1/replicas/none/log", 404, "not_found"),
            ("GET", "/api/v1/replicas/a:b:0/log?lines=0", 400, "invalid_argument"),
        ):
            answer = client.request(method, path)
            assert (answer.status_code, answer.json()["error"]) == (status, code)
        for content in (b"", b"{", b"[]", b'{"name": "x", "surprise": 1}', b"\xff"):
            answer = client.post("/api/v1/applications", content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400
            assert answer.json()["error"] in ("invalid_argument", "bad_request")
        assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 400


def test_killed_management_comes_back_with_everything_and_starts_no_replica_twice() -> None:
    with started() as (clipper, run_dir):
        clipper.register_application("kept", "doubles", 0, 20_000)
        deploy(clipper, "kept", replicas=2)
        clipper.link_model_to_app("kept", "kept")
        before = clipper.status()
        pid = pid_of(run_dir, "clipper.management")
        with watch_deaths([pid]) as survivors:
            os.kill(pid, signal.SIGKILL)
            assert survivors(10) == []
        wait_until(lambda: len(clipper.status()["workers"]) == 1)
        wait_until(lambda: [replica["state"] for replica in clipper.status()["replicas"]] == ["ready", "ready"])
        after = clipper.status()
        assert (after["applications"], after["revision"]) == (before["applications"], before["revision"])
        assert {replica["pid"] for replica in after["replicas"]} == {replica["pid"] for replica in before["replicas"]}
        assert pid_of(run_dir, "clipper.management") != pid


def test_killed_frontend_gets_snapshot_and_replicas_back() -> None:
    with started() as (clipper, run_dir):
        deploy(clipper, "again")
        os.kill(pid_of(run_dir, "fake_frontend.py"), signal.SIGKILL)
        wait_until(lambda: len(told(run_dir, "snapshot")) >= 4)
        clipper.register_application("later", "doubles", 0, 20_000)
        wait_until(lambda: [replica["state"] for replica in clipper.status()["replicas"]] == ["ready"])
