"""The management API in front of a real frontend and real containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clipper import Clipper
from tests.support.container_process import ContainerProcess
from tests.support.processes import wait_until

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("add_app", {"name": "app", "input_type": "doubles", "default_output": "-1", "latency_slo_micros": 2_000_000}),
    ("add_model", {
        "model_name": "by-hand", "model_version": "1", "labels": [], "input_type": "doubles", "batch_size": -1,
        "container_name": "NO_CONTAINER", "model_data_path": "DEPRECATED",
    }),
    ("add_model_links", {"app_name": "app", "model_names": ["by-hand"]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def clipper() -> Iterator[Clipper]:
    with Clipper.start(query_port=0, management_port=0) as clipper:
        for name, values in CALLS:
            admin(clipper, name, values)
        yield clipper


def admin(clipper: Clipper, name: str, values: dict[str, Any]) -> httpx.Response:
    answer = httpx.post(f"{clipper.management_url}/admin/{name}", json=values, trust_env=False, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer


def ready_count(clipper: Clipper) -> int:
    path = f"{clipper.management_url}/api/v1/models/by-hand/versions/1"
    count: int = httpx.get(path, trust_env=False).json()["ready_replicas"]
    return count


def test_version_without_a_container_answers_default_outputs_until_one_is_started(
    clipper: Clipper, tmp_path: Path
) -> None:
    assert clipper.predict("app", [1.0, 2.0]).is_default
    addresses = " ".join(clipper.status()["rpc_addresses"])
    container = ContainerProcess("sum", addresses, tmp_path / "log", {"CLIPPER_MODEL_NAME": "by-hand"})
    try:
        wait_until(lambda: ready_count(clipper) == 1)
        prediction = clipper.predict("app", [1.0, 2.0])
        assert (prediction.output, prediction.model) == (3.0, "by-hand:1")
        assert len(admin(clipper, "get_all_containers", {"verbose": False}).json()) == 1
    finally:
        container.terminate()
        container.wait()
    wait_until(lambda: ready_count(clipper) == 0)
    assert clipper.predict("app", [3.0, 4.0]).is_default
    assert admin(clipper, "get_all_containers", {"verbose": False}).json() == []


def test_deleted_current_version_leaves_default_outputs_and_the_next_one_serves(clipper: Clipper) -> None:
    admin(clipper, "delete_versioned_model", {"model_name": "by-hand", "model_version": "1"})
    assert clipper.predict("app", [5.0]).default_explanation == "No connected models found for query"
    clipper.deploy_model("by-hand", 2, container="sum", input_type="doubles")
    prediction = clipper.predict("app", [5.0])
    assert (prediction.output, prediction.model) == (5.0, "by-hand:2")


def test_sample_that_is_no_input_of_the_model_is_the_callers_error_and_leaves_nothing(clipper: Clipper) -> None:
    version = {"version": "1", "input_type": "doubles", "container": "sum", "sample_input": {"not": "numbers"}}
    path = f"{clipper.management_url}/api/v1/models/sampled/versions"
    answer = httpx.post(path, json=version, trust_env=False, timeout=20)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_argument")
    assert "the sample input of sampled:1 cannot be used" in answer.json()["cause"]
    status = clipper.status()
    assert all(model["name"] != "sampled" for model in status["models"])
    assert all(replica["model"] != "sampled" for replica in status["replicas"])
    assert not (Path(status["run_dir"]) / "models" / "sampled").exists()
