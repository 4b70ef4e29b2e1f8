"""Devices in the product, given by configuration: CPU and GPU versions of one model serve one application, each replica
with its own devices and batches; what does not fit is refused, or waits and says for whom.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from clipper import Clipper, ClipperError, ConflictError, InvalidArgumentError, Progress
from clipper.cli.app import app
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import pid_of, wait_until

pytestmark = pytest.mark.timeout(120)
SLO_US = 200_000
DEVICES = ("GPU-a", "GPU-b")
CPU_US, GPU_US = 10_000, 1_000  # an input on the one, a batch on the other


def model(item_us: int, batch_us: int) -> Callable[[list[Any]], list[Any]]:
    """Return a model that answers how large its batch was, and what its process sees."""

    def predict(inputs: list[Any]) -> list[Any]:
        time.sleep((item_us * len(inputs) + batch_us) / 1e6)
        names = ("CUDA_VISIBLE_DEVICES", "CLIPPER_GPU_DEVICE", "CLIPPER_GPU_MEMORY_RATIO")
        return [{"size": len(inputs), "sees": [os.environ.get(name) for name in names]} for _ in inputs]

    return predict


@pytest.fixture(scope="module")
def config() -> ClipperConfig:
    return ClipperConfig(
        make_run_dir(),
        remove_run_dir=True,
        listen=ListenConfig(query_port=0, management_port=0),
        management=ManagementConfig(gpu_devices=DEVICES, replace_backoff_min_us=10_000),
    )


@pytest.fixture(scope="module")
def clipper(config: ClipperConfig) -> Iterator[Clipper]:
    with Clipper.start(config=config) as running:
        running.register_application("net", "doubles", None, SLO_US, cache=False)
        with ThreadPoolExecutor(2) as pool:
            on_cpu = pool.submit(running.deploy_model, "net", "cpu", model(CPU_US, 0), gpus=0)
            running.deploy_model("net", "gpu", model(0, GPU_US), gpus=0.5, replicas=2)
            on_cpu.result()
        running.link_model_to_app("net", "net")
        yield running


def answers(clipper: Clipper, version: str, count: int) -> list[dict[str, Any]]:
    """Ask so many queries at once, and return what was answered in time."""
    found = clipper.predict_batch("net", [[float(number)] for number in range(count)], version=version)
    return [one.output for one in found if not one.is_default]


def devices_of(clipper: Clipper) -> dict[str, tuple[str, ...]]:
    return {one.replica_id: one.devices for one in clipper.get_replicas() if one.devices}


def test_versions_of_one_model_have_an_environment_of_their_own(clipper: Clipper) -> None:
    assert {tuple(one["sees"]) for one in answers(clipper, "cpu", 4)} == {("", None, None)}
    assert {tuple(one["sees"]) for one in answers(clipper, "gpu", 4)} == {("GPU-a", "cuda", "0.5")}
    assert devices_of(clipper) == {"net:gpu:0": ("GPU-a",), "net:gpu:1": ("GPU-a",)}
    assert [clipper.get_version("net", version).gpus for version in ("cpu", "gpu")] == [0, 0.5]
    assert clipper.get_version("net", "gpu").resources == {"nvidia.com/gpu": "0.5"}


def test_versions_of_one_model_have_batches_of_their_own(clipper: Clipper) -> None:
    on_cpu = [one["size"] for _ in range(4) for one in answers(clipper, "cpu", 32)]
    wait_until(lambda: max((one["size"] for one in answers(clipper, "gpu", 256)), default=0) >= 64)
    assert max(on_cpu) * CPU_US <= SLO_US, "as many as meet the objective"


def test_status_tells_the_devices_and_who_has_them(clipper: Clipper) -> None:
    first, second = clipper.status()["devices"]
    assert first == {"device": "GPU-a", "name": "", "free": 0, "replicas": {"net:gpu:0": 0.5, "net:gpu:1": 0.5}}
    assert second == {"device": "GPU-b", "name": "", "free": 1, "replicas": {}}
    shown = CliRunner().invoke(app, ["status", "--url", clipper.management_url])
    assert shown.exit_code == 0, shown.output
    rows = [line.split(maxsplit=3) for line in shown.output.splitlines() if line.startswith(("DEVICE", "GPU-"))]
    assert [row[0] for row in rows] == ["DEVICE", *DEVICES]
    assert rows[1][2:] == ["0", "net:gpu:0 (0.5), net:gpu:1 (0.5)"] and rows[2][2:] == ["1", "-"]


def test_more_than_the_machine_has_is_refused_before_anything_is_started(clipper: Clipper) -> None:
    with pytest.raises(ConflictError, match=r"with gpus=3, and this machine has 2 devices: GPU-a, GPU-b"):
        clipper.deploy_model("huge", 1, container="noop", gpus=3)
    with pytest.raises(ConflictError, match=r"net:gpu asks for 5 replicas with gpus=0\.5 each"):
        clipper.set_num_replicas("net", 5, "gpu")
    with pytest.raises(InvalidArgumentError, match="cannot set CUDA_VISIBLE_DEVICES"):
        clipper.deploy_model("huge", 1, container="noop", gpus=1, environment={"CUDA_VISIBLE_DEVICES": "0"})
    body = {"version": "1", "input_type": "doubles", "container": "noop", "gpus": 1.5}
    refused = httpx.post(f"{clipper.management_url}/api/v1/models/huge/versions", json=body)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_argument")
    assert "huge" not in [one.name for one in clipper.get_models()]


def test_deployment_waits_for_a_device_says_who_has_it_and_gets_it_when_it_is_free(clipper: Clipper) -> None:
    clipper.deploy_model("other", 1, container="noop", gpus=1)
    waits, said = threading.Event(), list[str]()

    def show(step: Progress) -> None:
        said.append(step.detail)
        if "waits for a device" in step.detail:
            waits.set()

    deployment = threading.Thread(
        target=clipper.deploy_model, args=("late", 1), kwargs={"container": "noop", "gpus": 1, "progress": show}
    )
    deployment.start()
    assert waits.wait(20)
    expected = (
        "1 replica waits for a device: GPU-a is held by net:gpu:0 (0.5), net:gpu:1 (0.5); GPU-b is held by other:1:0"
    )
    assert any(expected in detail for detail in said), said
    assert clipper.get_version("late", 1).waiting == expected
    clipper.delete_model("other")
    deployment.join(20)
    assert clipper.get_version("late", 1).is_ready and devices_of(clipper)["late:1:0"] == ("GPU-b",)
    clipper.delete_model("late")
    assert "late:1:0" not in devices_of(clipper)


def test_restarted_management_knows_the_devices_of_what_runs(clipper: Clipper, config: ClipperConfig) -> None:
    before = devices_of(clipper)
    management = pid_of(config.run_dir, "clipper.management")
    os.kill(management, signal.SIGKILL)

    def is_back() -> bool:
        try:
            clipper.wait_ready("net", "gpu")
            return pid_of(config.run_dir, "clipper.management") != management
        except (ClipperError, LookupError):
            return False

    wait_until(is_back)
    assert devices_of(clipper) == before
    clipper.deploy_model("small", 1, container="noop", gpus=0.1)
    assert devices_of(clipper) == {**before, "small:1:0": ("GPU-b",)}, "the other one is full"
