"""What an exception says of the device, by the names and messages that the libraries really use."""

from __future__ import annotations

import sys

import pytest

from model_containers.container import FatalError
from model_containers.gpu.errors import DeviceLostError, PipelineError
from model_containers.gpu.faults import LOST_STATUSES, is_out_of_memory, lost_because, reraise_lost
from model_containers.gpu.preprocessor import device_number, make_preprocessor
from tests.support.fake_cupy import CUDARuntimeError, FakeCupy, OutOfMemoryError
from tests.support.gpu_cases import CASES, make_images

OUT_OF_MEMORY = [
    OutOfMemoryError("Out of memory allocating 512 bytes"),
    CUDARuntimeError(2),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : ... Failed to allocate memory for requested buffer"),
    RuntimeError("CUDA failure 2: out of memory ; GPU=0"),
    MemoryError("std::bad_alloc"),
]
LOST = [
    *(CUDARuntimeError(status) for status in LOST_STATUSES),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: unspecified launch failure"),
    RuntimeError("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 700: an illegal memory access ; GPU=0"),
    RuntimeError("cudaErrorECCUncorrectable: uncorrectable ECC error encountered"),
]
NEITHER = [
    ValueError("shapes do not fit"),
    CUDARuntimeError(1),
    RuntimeError("CUDA failure 1: invalid argument ; GPU=0"),
    RuntimeError("CUDA error: invalid configuration argument"),
    KeyError("out of range"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_short_memory_is_known_and_no_loss(error: Exception) -> None:
    assert is_out_of_memory(error) and lost_because(error) is None


@pytest.mark.parametrize("error", LOST, ids=repr)
def test_lost_device_is_known_and_no_short_memory(error: Exception) -> None:
    assert lost_because(error) and not is_out_of_memory(error)


@pytest.mark.parametrize("error", NEITHER, ids=repr)
def test_other_errors_are_neither_and_pass_as_they_are(error: Exception) -> None:
    assert lost_because(error) is None and not is_out_of_memory(error)
    with pytest.raises(type(error)), reraise_lost():
        raise error


def test_loss_is_fatal_and_no_exception_that_a_model_might_swallow() -> None:
    with pytest.raises(DeviceLostError, match="the CUDA device is lost: illegal address") as caught, reraise_lost():
        raise CUDARuntimeError(700)
    assert isinstance(caught.value, FatalError) and not isinstance(caught.value, Exception)
    assert not is_out_of_memory(caught.value)


def test_device_lost_under_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    on_device = make_preprocessor(CASES["imagenet"], "cuda:0")
    images = make_images(CASES["imagenet"].source, [(70, 70)])  # type: ignore[arg-type]
    prepared = on_device.submit(images)
    fake.is_lost = True
    for call in (prepared.synchronize, lambda: on_device.submit(images), on_device.release_memory):
        with pytest.raises(DeviceLostError, match="illegal address"):
            call()


@pytest.mark.parametrize(("name", "number"), [("cpu", None), ("cuda", 0), ("cuda:0", 0), ("cuda:12", 12)])
def test_device_names_are_read(name: str, number: int | None) -> None:
    assert device_number(name) == number


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:1 ", "CPU"])
def test_other_device_names_are_refused(name: str) -> None:
    with pytest.raises(PipelineError, match="expected cpu, cuda or cuda:NUMBER"):
        device_number(name)


@pytest.mark.parametrize(
    ("count", "name", "told"),
    [(0, "cuda", "no CUDA device here: cuda error 100; use the device cpu"), (2, "cuda:2", "cuda:2, 2 can be seen")],
)
def test_device_that_is_not_there_is_refused(count: int, name: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy(count))
    with pytest.raises(PipelineError, match=told):
        make_preprocessor(CASES["imagenet"], name)


def test_missing_cupy_is_told_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(PipelineError, match=r"needs cupy, which cannot be imported .*pip install 'clipper\[gpu\]'"):
        make_preprocessor(CASES["imagenet"], "cuda")
