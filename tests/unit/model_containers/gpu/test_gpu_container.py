"""A container that prepares its inputs: settings, pieces, bad inputs, and the end of it all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from model_containers.container import FatalError, ItemError
from model_containers.gpu.container import PreparedContainer
from model_containers.gpu.handoff import bind_onnx_input, stream_at, tensorrt_address
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import HostPreprocessor, Prepared
from model_containers.gpu.settings import MAX_DECODE_THREADS, GpuSettings
from model_containers.gpu.sources import DecodeImage, TensorImage
from model_containers.gpu.staging import SMALLEST_BYTES, StagingPool
from model_containers.gpu.steps import Resize
from model_containers.image_classifier.network import _memory_options
from model_containers.settings import SettingsError
from tests.support.fake_cupy import FakeCupy
from tests.support.gpu_cases import make_images

PIPELINE = Pipeline(TensorImage(), [Resize(8, 8)])
IMAGES = make_images(TensorImage(), [(10 + at, 20 - at) for at in range(10)])
BAD = np.zeros((0, 5, 3), np.uint8)


class Means(PreparedContainer):
    """The mean of each prepared image."""

    def __init__(self, pipeline: Pipeline = PIPELINE, **settings: Any) -> None:
        self.sizes: list[int] = []
        self.prepare_with(pipeline, GpuSettings(**settings))

    def infer(self, prepared: Prepared) -> Sequence[Any]:
        self.sizes.append(len(prepared.kept))
        return [float(each) for each in np.asarray(prepared.array, np.float64).mean(axis=(1, 2, 3))]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    """A device."""
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    return fake


def test_outputs_are_in_order_whatever_the_pieces(fake: FakeCupy) -> None:
    alone = [Means().predict_batch([image])[0] for image in IMAGES]
    for device in ("cpu", "cuda"):
        for items in (1, 3, 64):
            container = Means(device=device, piece_items=items)
            assert container.predict_batch(IMAGES) == pytest.approx(alone, abs=1.0)
            assert container.sizes == [items] * (10 // items) + [10 % items] * (10 % items > 0)


def test_bad_inputs_fail_alone_in_every_piece() -> None:
    container = Means(piece_items=3)
    batch: list[Any] = [BAD, IMAGES[0], None, IMAGES[1], BAD, BAD, BAD, IMAGES[2]]
    outputs = container.predict_batch(batch)
    failed = [isinstance(each, ItemError) for each in outputs]
    assert failed == [True, False, True, False, True, True, True, False]
    assert [each for each in outputs if isinstance(each, float)] == Means().predict_batch(IMAGES[:3])


def test_full_device_halves_the_pieces_and_answers_everything(fake: FakeCupy) -> None:
    wanted = Means().predict_batch(IMAGES)
    container = Means(device="cuda", piece_items=10)
    fake.limit_bytes = 9_000  # a few of the images and their tables
    assert container.predict_batch(IMAGES) == pytest.approx(wanted, abs=1.0)
    assert max(container.sizes) < 10
    container.sizes.clear()
    container.predict_batch(IMAGES)
    remembered = max(container.sizes)
    container.sizes.clear()
    container.predict_batch(IMAGES)
    assert max(container.sizes) == remembered


def test_lost_device_passes_every_handler_of_exceptions(fake: FakeCupy) -> None:
    container = Means(device="cuda")
    container.warm_up()
    fake.is_lost = True
    with pytest.raises(FatalError, match="the CUDA device is lost: illegal address"):
        container.predict_batch(IMAGES)


def test_network_that_returns_the_wrong_number_of_outputs_fails_the_batch() -> None:
    container = Means()
    container.infer = lambda prepared: [1.0]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="returned 1 outputs for 10 inputs"):
        container.predict_batch(IMAGES)


@pytest.mark.parametrize(
    "source", [TensorImage(), TensorImage("HW", 1), TensorImage("CHW", 2, "float16"), DecodeImage(), DecodeImage("L")]
)
def test_warming_up_takes_an_input_of_its_own_making(source: TensorImage | DecodeImage) -> None:
    container = Means(Pipeline(source, [Resize(8, 8)]))
    container.warm_up()
    assert container.sizes == [1]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("DEVICE", "gpu", "CLIPPER_GPU_DEVICE: the device is 'gpu'"),
        ("NETWORK_DEVICE", "cuda:x", "CLIPPER_GPU_NETWORK_DEVICE: the device is 'cuda:x'"),
        ("PIECE_ITEMS", "0", "CLIPPER_GPU_PIECE_ITEMS is 0, expected at least 1"),
        ("PIECE_ITEMS", "many", "CLIPPER_GPU_PIECE_ITEMS is 'many', expected a whole number"),
        ("DECODE_THREADS", "0", "CLIPPER_GPU_DECODE_THREADS is 0"),
        ("DECODE_THREADS", str(MAX_DECODE_THREADS + 1), "expected 1 to 256"),
    ],
)
def test_setting_that_is_not_usable_is_named(name: str, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        GpuSettings.from_environment({f"CLIPPER_GPU_{name}": text})


def test_settings_come_from_the_environment_and_have_defaults() -> None:
    assert GpuSettings.from_environment({}) == GpuSettings("cpu", "", 64, 1)
    found = GpuSettings.from_environment(
        {"CLIPPER_GPU_DEVICE": "cuda:1", "CLIPPER_GPU_PIECE_ITEMS": "8", "CLIPPER_GPU_DECODE_THREADS": "256"}
    )
    assert found == GpuSettings("cuda:1", "", 8, 256) and found.where_network_computes == "cuda:1"
    assert GpuSettings("cuda", "cpu").where_network_computes == "cpu"


def test_staging_buffers_are_used_again_and_bounded() -> None:
    taken: list[int] = []

    def allocate(size_bytes: int) -> bytearray:
        taken.append(size_bytes)
        return bytearray(size_bytes)

    pool = StagingPool(allocate, max_pooled_bytes=3 * SMALLEST_BYTES)
    first = pool.take(1)
    assert first.block.nbytes == SMALLEST_BYTES and pool.take(SMALLEST_BYTES + 1).block.nbytes == 2 * SMALLEST_BYTES
    pool.give(first)
    assert pool.take(SMALLEST_BYTES) is first
    assert taken == [SMALLEST_BYTES, 2 * SMALLEST_BYTES]
    for _ in range(3):
        pool.give(pool.take(2 * SMALLEST_BYTES))
    pool.give(first)
    assert pool.pooled_bytes == 3 * SMALLEST_BYTES
    pool.give(pool.take(4 * SMALLEST_BYTES))  # beyond the bound: freed
    assert pool.pooled_bytes == 3 * SMALLEST_BYTES
    pool.clear()
    assert pool.pooled_bytes == 0


class Binding:
    """Notes what is bound."""

    def __init__(self) -> None:
        self.bound: list[Any] = []

    def bind_cpu_input(self, name: str, array: Any) -> None:
        self.bound.append((name, array))


def test_batch_of_the_host_is_handed_on_without_a_copy() -> None:
    prepared = HostPreprocessor(PIPELINE).prepare(IMAGES)
    binding = Binding()
    bind_onnx_input(binding, "image", prepared)
    assert binding.bound[0][1] is prepared.array
    assert np.shares_memory(np.from_dlpack(prepared.array), prepared.array)
    with pytest.raises(ValueError, match="prepared on the host"):
        tensorrt_address(prepared, 0)


def test_tensorrt_gets_the_address_once_its_stream_waits(fake: FakeCupy) -> None:
    container = Means(device="cuda")
    prepared = container._preprocessor.submit(IMAGES)
    assert tensorrt_address(prepared, 77) == prepared.array.data.ptr
    assert prepared.readers == {77}
    assert stream_at(fake, 77).waits == []
    for _ in range(2):  # its slot again: the device waits for the reader first
        container._preprocessor.submit(IMAGES)
    assert len(prepared.stream.waits) == 1


@pytest.mark.parametrize(
    ("ratio", "network", "preparing", "computing"),
    [(1.0, "", 1.0, 1.0), (0.5, "", 0.125, 0.375), (0.5, "cpu", 0.5, 0.5), (0.5, "cuda:1", 0.5, 0.5)],
)
def test_share_of_a_device_is_divided_where_preparation_and_network_have_the_same_one(
    fake: FakeCupy, ratio: float, network: str, preparing: float, computing: float
) -> None:
    given = {
        "CLIPPER_GPU_DEVICE": "cuda",
        "CLIPPER_GPU_MEMORY_RATIO": str(ratio),
        "CLIPPER_GPU_NETWORK_DEVICE": network,
    }
    settings = GpuSettings.from_environment(given)
    assert (settings.preparing_memory_ratio, settings.network_memory_ratio) == (preparing, computing)
    container = Means()
    container.prepare_with(PIPELINE, settings)
    assert fake.pool_ratio == (None if ratio == 1 else preparing)


@pytest.mark.parametrize("text", ["0", "1.01", "-0.5", "half", "nan", ""])
def test_share_of_a_device_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="CLIPPER_GPU_MEMORY_RATIO"):
        GpuSettings.from_environment({"CLIPPER_GPU_MEMORY_RATIO": text})


def test_network_is_held_to_its_share_in_bytes(fake: FakeCupy) -> None:
    assert _memory_options(0, 1.0) == {}
    assert _memory_options(0, 0.375) == {
        "gpu_mem_limit": str(3 * fake.total_bytes // 8),
        "arena_extend_strategy": "kSameAsRequested",
    }
