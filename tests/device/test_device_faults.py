"""A device that is full, and one that is lost."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from model_containers.gpu.container import PreparedContainer
from model_containers.gpu.faults import is_out_of_memory
from model_containers.gpu.preprocessor import HostPreprocessor, Prepared, make_preprocessor
from model_containers.gpu.settings import GpuSettings
from model_containers.gpu.sources import TensorImage
from tests.support.gpu_cases import CASES, make_images
from tests.support.repository import ROOT

pytestmark = pytest.mark.needs_gpu
PIPELINE = CASES["no rounding"]


class MeanContainer(PreparedContainer):
    """The mean of each prepared image, computed on the device."""

    def infer(self, prepared: Prepared) -> Any:
        with prepared.stream:
            return prepared.array.mean(axis=(1, 2, 3)).get()


def test_full_device_halves_the_pieces_remembers_it_and_loses_no_query() -> None:
    cupy = importlib.import_module("cupy")
    images = make_images(TensorImage(), [(400, 300)] * 32)
    wanted = HostPreprocessor(PIPELINE).prepare(images).array.mean(axis=(1, 2, 3))
    container = MeanContainer()
    container.prepare_with(PIPELINE, GpuSettings(device="cuda", piece_items=32))
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + 5_000_000)  # twelve of the images
    try:
        np.testing.assert_allclose(container.predict_batch(images), wanted, rtol=1e-4)
        remembered = container._limit.items
        assert remembered < 32
        np.testing.assert_allclose(container.predict_batch(images), wanted, rtol=1e-4)
        assert container._limit.items == remembered
        giant = make_images(TensorImage(), [(4000, 4000)])
        outputs = container.predict_batch([*images[:3], *giant, *images[3:5]])
        assert "even alone" in str(outputs[3])
        np.testing.assert_allclose([each for at, each in enumerate(outputs) if at != 3], wanted[:5], rtol=1e-4)
    finally:
        pool.set_limit(size=0)


def test_memory_errors_of_cupy_and_torch_are_known() -> None:
    cupy, torch = importlib.import_module("cupy"), importlib.import_module("torch")
    with pytest.raises(Exception) as of_cupy:  # noqa: PT011 - which class is the question
        cupy.empty(1 << 50, np.uint8)
    with pytest.raises(Exception) as of_torch:  # noqa: PT011
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
    assert is_out_of_memory(of_cupy.value) and is_out_of_memory(of_torch.value)


LOSE_IT = """
import sys
import numpy as np
from model_containers import FatalError
from model_containers.gpu.preprocessor import make_preprocessor
from model_containers.gpu.faults import reraise_lost
from tests.support.gpu_cases import CASES, make_images

pipeline = CASES["imagenet"]
images = make_images(pipeline.source, [(100, 80)])
on_device = make_preprocessor(pipeline, "cuda")
on_device.prepare(images)
import cupy
cupy.RawKernel('extern "C" __global__ void wild(int* p) { p[threadIdx.x] = 1; }', "wild")((1,), (32,), (np.uint64(64),))
try:
    with reraise_lost():  # as in predict_batch
        for _ in range(3):
            on_device.prepare(images).array.get()
except FatalError as error:
    sys.stdout.write(f"lost: {error}")
    sys.stdout.flush()
    import os
    os._exit(6)  # as a container does: nothing of this context can be cleaned up
"""


def test_lost_device_is_told_from_a_failed_batch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOSE_IT], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, "the CUDA device is lost: illegal address" in done.stdout) == (6, True), done


def test_device_that_is_not_there_is_refused_with_how_many_there_are() -> None:
    with pytest.raises(ValueError, match="there is no device cuda:99"):
        make_preprocessor(PIPELINE, "cuda:99")
