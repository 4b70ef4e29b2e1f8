"""Kernels on a device: equal to the numpy twin, ordered with whoever reads, and overlapping with copies."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_containers.gpu.handoff import stream_at, to_torch
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import HostPreprocessor, make_preprocessor
from model_containers.gpu.run import run_pipeline
from model_containers.gpu.sources import TensorImage
from model_containers.gpu.tokens import PadTokens, make_padder
from tests.support.gpu_cases import (
    CASES,
    EVERY_ELEMENT,
    EXTREME_SIZES,
    SIZES,
    SMALL_SIZES,
    assert_close,
    make_images,
    pipelines,
)

pytestmark = pytest.mark.needs_gpu
EXAMPLES = 40  # each compiles kernels, about 0.1 s


@pytest.fixture(scope="module")
def cupy() -> Any:
    """cupy; a device without it is a machine that is set up wrongly, and no reason to be silent."""
    return importlib.import_module("cupy")


@pytest.fixture(autouse=True)
def freed(cupy: Any) -> Iterator[None]:
    """Leave no memory behind."""
    yield
    cupy.get_default_memory_pool().free_all_blocks()


@pytest.mark.parametrize("name", CASES)
def test_fused_kernels_equal_the_numpy_twin_over_ragged_batches(name: str, cupy: Any) -> None:
    pipeline = CASES[name]
    images = make_images(pipeline.source, SIZES * 5)  # type: ignore[arg-type]  # all of them take arrays
    wanted = HostPreprocessor(pipeline).prepare(images).array
    on_device = make_preprocessor(pipeline, "cuda")
    for _ in range(3):  # each slot, and one of them again
        found = on_device.prepare(images)
        assert_close(pipeline, cupy.asnumpy(found.array), wanted)
    on_device.close()


@pytest.mark.parametrize("name", CASES)
def test_interpreter_gives_the_same_on_cupy_as_on_numpy(name: str, cupy: Any) -> None:
    pipeline = CASES[name]
    for image in make_images(pipeline.source, SIZES):  # type: ignore[arg-type]
        wanted = run_pipeline(np, pipeline, pipeline.source.load(image))
        found = run_pipeline(cupy, pipeline, cupy.asarray(pipeline.source.load(image)))
        assert_close(pipeline, cupy.asnumpy(found), wanted)


@settings(max_examples=EXAMPLES)
@given(pipeline=pipelines(elements=EVERY_ELEMENT), sizes=SMALL_SIZES, seed=st.integers(0, 9))
def test_any_pipeline_on_a_device_equals_the_numpy_twin(
    pipeline: Pipeline, sizes: list[tuple[int, int]], seed: int
) -> None:
    source = pipeline.source
    assert isinstance(source, TensorImage)
    images = make_images(source, [*sizes, *EXTREME_SIZES], seed)
    wanted = HostPreprocessor(pipeline).prepare(images)
    found = make_preprocessor(pipeline, "cuda").prepare(images)
    assert found.kept == wanted.kept
    assert_close(pipeline, found.array.get(), wanted.array)


def test_large_images_are_resized_as_on_numpy() -> None:
    pipeline = CASES["imagenet"]
    images = make_images(TensorImage(), [(2160, 3840), (4000, 1000), (64, 5000)])
    found = make_preprocessor(pipeline, "cuda").prepare(images)
    assert_close(pipeline, found.array.get(), HostPreprocessor(pipeline).prepare(images).array)


def test_bad_images_of_a_batch_leave_the_others_untouched() -> None:
    pipeline = CASES["imagenet"]
    good = make_images(TensorImage(), SIZES)
    bad = [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3), np.float32), None]
    found = make_preprocessor(pipeline, "cuda").prepare([bad[0], good[0], bad[1], bad[2], good[1], good[2], bad[3]])
    assert (found.kept, sorted(found.errors)) == ((1, 4, 5), [0, 2, 3, 6])
    assert_close(pipeline, found.array.get(), HostPreprocessor(pipeline).prepare(good).array)
    nothing = make_preprocessor(pipeline, "cuda").prepare(bad)
    assert nothing.array.shape == (0, 3, 56, 56) and nothing.kept == ()


def test_copy_of_a_batch_runs_under_the_kernels_of_the_batch_before(cupy: Any) -> None:
    kind = importlib.import_module("model_containers.gpu.device").DevicePreprocessor
    on_device = kind(CASES["no rounding"], is_timed=True)
    images = make_images(TensorImage(), [(1024, 1024)] * 16)
    on_device.prepare(images)  # compiled, and the buffers are there
    on_device.prepare(images)
    busy = _Busy(cupy)
    begin = cupy.cuda.Event()
    begin.record(cupy.cuda.Stream.null)
    marks = []
    for _ in range(4):
        prepared = on_device.submit(images)
        busy.run(prepared.stream)  # a network that computes for longer than the host takes to fill the next buffer
        ended = cupy.cuda.Event()
        ended.record(prepared.stream)
        marks.append(dict(on_device.marks) | {"network ends": ended})
    cupy.cuda.Device().synchronize()
    times = [{name: cupy.cuda.get_elapsed_time(begin, event) for name, event in each.items()} for each in marks]
    for before, after in zip(times, times[1:], strict=False):
        assert after["copy ends"] < before["network ends"], times
    on_device.close()


class _Busy:
    """Keeps one multiprocessor computing for 50 ms."""

    def __init__(self, cupy: Any) -> None:
        source = """
        static __device__ unsigned long long now_ns() {
          unsigned long long time;
          asm volatile("mov.u64 %0, %globaltimer;" : "=l"(time));
          return time;
        }
        extern "C" __global__ void busy(unsigned long long ns) {
          const unsigned long long begin = now_ns();
          while (now_ns() - begin < ns) {}
        }
        """
        self._kernel = cupy.RawKernel(source, "busy")
        self.run(cupy.cuda.Stream.null)

    def run(self, stream: Any) -> None:
        with stream:
            self._kernel((1,), (1,), (np.uint64(50_000_000),))


def test_torch_tensor_shares_the_memory_and_reads_behind_the_kernels() -> None:
    torch = importlib.import_module("torch")
    pipeline = CASES["imagenet"]
    images = make_images(TensorImage(), SIZES * 8)
    wanted = HostPreprocessor(pipeline).prepare(images).array
    prepared = make_preprocessor(pipeline, "cuda").submit(images)
    tensor = to_torch(prepared)
    assert tensor.data_ptr() == prepared.array.data.ptr
    assert tensor.device.type == "cuda" and tuple(tensor.shape) == wanted.shape
    assert_close(pipeline, (tensor + 0).cpu().numpy(), wanted)
    assert torch.cuda.current_stream().cuda_stream in prepared.readers


def test_memory_is_not_used_again_before_its_reader_is_done(cupy: Any) -> None:
    torch = importlib.import_module("torch")
    pipeline = CASES["imagenet"]
    on_device, busy = make_preprocessor(pipeline, "cuda"), _Busy(cupy)
    batches = [make_images(TensorImage(), SIZES * 4, seed) for seed in range(6)]
    wanted = [HostPreprocessor(pipeline).prepare(batch).array for batch in batches]
    found, side = [], torch.cuda.Stream()
    for batch in batches:
        with torch.cuda.stream(side):
            tensor = to_torch(on_device.submit(batch))
            busy.run(stream_at(cupy, side.cuda_stream))  # the reader comes late
            found.append(tensor * 1.0)
        del tensor  # the memory is free as far as cupy knows
    torch.cuda.synchronize()
    for each, expected in zip(found, wanted, strict=True):
        assert_close(pipeline, each.cpu().numpy(), expected)


@given(
    lengths=st.lists(st.integers(0, 40), max_size=12),
    side=st.sampled_from(["left", "right"]),
    multiple=st.sampled_from([0, 8]),
)
@settings(max_examples=EXAMPLES)
def test_tokens_padded_on_a_device_equal_those_of_numpy(lengths: list[int], side: str, multiple: int) -> None:
    pad = PadTokens(24, pad_id=-1, side=side, multiple=multiple)
    items = [list(range(length)) for length in lengths] + ["no tokens"]
    wanted, found = pad(items), make_padder(pad, "cuda")(items)
    assert (found.kept, set(found.errors)) == (wanted.kept, set(wanted.errors))
    np.testing.assert_array_equal(found.ids.get(), wanted.ids)
    np.testing.assert_array_equal(found.mask.get(), wanted.mask)
