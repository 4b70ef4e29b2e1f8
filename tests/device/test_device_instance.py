"""All of Clipper on a machine with a device, which is found, shared, full and lost; beside a version on the CPU."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipper import Clipper
from examples.image_classification.serve import deployment_of, serve
from examples.image_classification.train import Digits, load_digits, train
from model_containers.gpu import Cast, DecodeImage, Pipeline, Resize, make_preprocessor
from tests.support.processes import wait_until
from tests.support.repository import ROOT

pytestmark = [pytest.mark.needs_gpu, pytest.mark.timeout(240)]
SLO_US = 20_000_000
PICTURES = 120
SIDE = 1024
SHARE = 0.01

# A container that needs more than there is of a small share (64 prepared pictures are 805 MB), and that loses its
# device at the first batch after the flag has been set: a kernel writes to an address that is not its own.
MEANS = """
    import importlib
    import os
    from pathlib import Path

    import numpy as np

    from model_containers import serve
    from model_containers.gpu import Cast, DecodeImage, Pipeline, Resize
    from model_containers.gpu.container import PreparedContainer

    WILD = 'extern "C" __global__ void wild(int* p) { p[threadIdx.x] = 1; }'

    class Means(PreparedContainer):
        def load(self, settings):
            self.prepare_with(Pipeline(DecodeImage(mode="RGB"), [Cast("float32"), Resize(%(side)d, %(side)d)]))

        def infer(self, prepared):
            try:
                os.unlink(%(flag)r)
            except FileNotFoundError:
                pass
            else:
                importlib.import_module("cupy").RawKernel(WILD, "wild")((1,), (32,), (np.uint64(64),))
            with prepared.stream:
                return prepared.array.mean(axis=(1, 2, 3)).get().tolist()

    serve(Means())
"""


def greedy(inputs: list[Any]) -> list[Any]:
    """Take device memory until there is none: how much there was, and of how much."""
    cupy = importlib.import_module("cupy")
    held, step = list[Any](), 32 << 20
    try:
        while True:
            held.append(cupy.empty(step, np.uint8))
    except cupy.cuda.memory.OutOfMemoryError:
        taken = step * len(held)
    del held
    cupy.get_default_memory_pool().free_all_blocks()
    return [{"taken": taken, "of": cupy.cuda.runtime.memGetInfo()[1]} for _ in inputs]


@pytest.fixture(scope="module")
def flag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that, once there, costs a replica of ``means`` its device."""
    return tmp_path_factory.mktemp("wild") / "now"


@pytest.fixture(scope="module")
def clipper(flag: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clipper]:
    script = flag.with_name("means.py")
    text = textwrap.dedent(MEANS % {"side": SIDE, "flag": str(flag)})
    script.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{text}")
    with Clipper.start(query_port=0, management_port=0, containers={"means": [sys.executable, str(script)]}) as running:
        running.register_application("digits", "bytes", None, SLO_US, on_miss="error", cache=False)
        running.register_application("means", "bytes", None, SLO_US, on_miss="error", cache=False)
        network = train(tmp_path_factory.mktemp("network") / "digits.onnx")
        running.deploy_model("digits", "cpu", network, input_type="bytes", gpus=0)
        running.deploy_model("digits", "gpu", network, input_type="bytes", gpus=0.25, replicas=2)
        running.link_model_to_app("digits", "digits")
        running.deploy_model("means", 1, container="means", input_type="bytes", gpus=SHARE, replicas=2)
        running.link_model_to_app("means", "means")
        yield running


@pytest.fixture(scope="module")
def unseen() -> Digits:
    found = load_digits()[1]
    return Digits(found.pictures[:PICTURES], found.labels[:PICTURES])


def processes_on_devices() -> set[int]:
    """Return what the driver says computes on a device."""
    command = ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return {int(line) for line in done.stdout.split()}


def means(clipper: Clipper, pictures: list[bytes]) -> list[float]:
    return [each.output for each in clipper.predict_batch("means", pictures)]


def expected_means(pictures: list[bytes]) -> Any:
    pipeline = Pipeline(DecodeImage(mode="RGB"), [Cast("float32"), Resize(SIDE, SIDE)])
    return make_preprocessor(pipeline, "cpu").prepare(pictures).array.mean(axis=(1, 2, 3))


def test_instance_finds_its_device_and_tells_who_has_it(clipper: Clipper) -> None:
    device = clipper.status()["devices"][0]
    assert device["device"].startswith("GPU-") and device["name"].startswith("NVIDIA ")
    assert device["replicas"] == {"digits:gpu:0": 0.25, "digits:gpu:1": 0.25, "means:1:0": SHARE, "means:1:1": SHARE}
    assert device["free"] == pytest.approx(1 - 0.5 - 2 * SHARE)


def test_version_on_a_device_answers_as_the_version_on_the_cpu(clipper: Clipper, unseen: Digits) -> None:
    on_cpu, on_device = (
        [each.output for each in clipper.predict_batch("digits", unseen.pictures, version=version)]
        for version in ("cpu", "gpu")
    )
    assert [each["label"] for each in on_device] == [each["label"] for each in on_cpu]
    np.testing.assert_allclose([each["score"] for each in on_device], [each["score"] for each in on_cpu], atol=0.03)
    right = sum(each["label"] == label for each, label in zip(on_device, unseen.labels, strict=True))
    assert right >= 0.9 * PICTURES


def test_replicas_with_a_share_compute_on_the_device_and_those_without_do_not(clipper: Clipper) -> None:
    pids = {one.replica_id: one.pid for one in clipper.get_replicas("digits")}
    on_devices = processes_on_devices()
    assert {replica for replica, pid in pids.items() if pid in on_devices} == {"digits:gpu:0", "digits:gpu:1"}


def test_share_bounds_what_cupy_takes(clipper: Clipper) -> None:
    clipper.register_application("greedy", "doubles", None, SLO_US, on_miss="error", cache=False)
    clipper.deploy_model("greedy", 1, greedy, gpus=0.05)
    clipper.link_model_to_app("greedy", "greedy")
    found = clipper.predict("greedy", [0.0]).output
    assert 0.045 * found["of"] <= found["taken"] <= 0.05 * found["of"]
    clipper.unlink_model_from_app("greedy", "greedy")
    clipper.delete_model("greedy")


def test_share_that_is_too_small_halves_the_pieces_and_loses_no_query(clipper: Clipper, unseen: Digits) -> None:
    pictures = unseen.pictures * 4
    np.testing.assert_allclose(means(clipper, pictures), np.tile(expected_means(unseen.pictures), 4), rtol=1e-4)
    logs = [clipper.logs(f"means:1:{index}") for index in range(2)]
    assert any(re.search(r"out of memory with \d+ inputs: now at most \d+ at a time", log) for log in logs), logs


def test_replica_that_loses_its_device_is_replaced_and_its_batch_answered(
    clipper: Clipper, unseen: Digits, flag: Path
) -> None:
    before = {one.replica_id: one.pid for one in clipper.get_replicas("means")}
    flag.touch()
    np.testing.assert_allclose(means(clipper, unseen.pictures), expected_means(unseen.pictures), rtol=1e-4)
    assert not flag.exists()

    def are_replaced() -> bool:
        found = {one.replica_id: one.pid for one in clipper.get_replicas("means") if one.state == "ready"}
        return len(found) == len(before) and found != before

    wait_until(are_replaced)
    assert clipper.status()["devices"][0]["replicas"].keys() >= before.keys()
    np.testing.assert_allclose(means(clipper, unseen.pictures), expected_means(unseen.pictures), rtol=1e-4)


def test_example_serves_on_the_device_by_one_flag() -> None:
    right, sent, damaged = serve(deployment_of(["--gpu"]))
    assert right >= 0.9 * sent and "damaged" in damaged[0] and "empty" in damaged[1]
