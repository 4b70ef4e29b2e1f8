"""Every kernel compiles for the architectures we name, and computes on the CPU what the interpreter computes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from model_containers.gpu.kernel_source import kernel_source
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import HostPreprocessor, make_preprocessor
from model_containers.gpu.sources import TensorImage
from model_containers.gpu.stages import stages_of
from model_containers.gpu.steps import CONVERSIONS, Cast, ConvertColor, Pad
from model_containers.gpu.tokens import KERNEL_NAME, KERNEL_SOURCE
from tests.support.fake_cupy import FakeCupy
from tests.support.gpu_cases import CASES, EVERY_ELEMENT, EXTREME_SIZES, SIZES, assert_close, make_images
from tests.support.kernel_on_cpu import run_kernels
from tests.support.nvrtc import NVRTC, compile_to_cubin

ARCHITECTURES = ("sm_80", "sm_90")
ELF = b"\x7fELF"

# Every conversion and every pair of element types, in few kernels; the cases have all else that the generator can say.
CASTS = [
    Pipeline(TensorImage(channels=2, dtype=first), [Cast(second), Cast(third), Pad(128, 128)])
    for first, second, third in zip(EVERY_ELEMENT, EVERY_ELEMENT[1:] + EVERY_ELEMENT[:1], EVERY_ELEMENT, strict=True)
]
COLORS = [
    Pipeline(TensorImage(channels=len(matrix[0])), [ConvertColor(name), Pad(128, 128)])
    for name, (matrix, _) in CONVERSIONS.items()
]
STAGES = [stage for pipeline in (*CASES.values(), *CASTS, *COLORS) for stage in stages_of(pipeline)]


def all_kernels() -> str:
    """Return every kernel as one source, since most of a compilation is its start: each in a namespace of its own."""
    sources = [*(kernel_source(stage, number).text for number, stage in enumerate(STAGES)), KERNEL_SOURCE]
    return "\n".join(f"namespace kernel_{number} {{\n{text}\n}}" for number, text in enumerate(sources))


@pytest.mark.optional(*NVRTC)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_compiles_to_machine_code_without_a_warning(architecture: str) -> None:
    cubin = compile_to_cubin(all_kernels(), architecture)
    names = [*(f"clipper_stage_{number}" for number in range(len(STAGES))), KERNEL_NAME]
    assert cubin.startswith(ELF) and all(f".text.{name}\0".encode() in cubin for name in names)


@pytest.mark.optional(*NVRTC)
def test_kernel_compiles_alone_as_cupy_will_compile_it() -> None:
    assert compile_to_cubin(kernel_source(STAGES[0]).text, ARCHITECTURES[-1]).startswith(ELF)


@pytest.mark.optional(*NVRTC)
def test_compiler_tells_what_is_wrong_with_a_kernel() -> None:
    with pytest.raises(AssertionError, match='identifier "nothing" is undefined'):
        compile_to_cubin("__global__ void wrong(int* p) { *p = nothing; }", "sm_90")


@pytest.mark.parametrize("name", CASES)
def test_kernels_compiled_for_the_cpu_equal_the_interpreter(name: str) -> None:
    pipeline = CASES[name]
    images = make_images(pipeline.source, SIZES)  # type: ignore[arg-type]  # all of them take arrays
    found = run_kernels(pipeline, [pipeline.source.load(image) for image in images])
    assert_close(pipeline, found, HostPreprocessor(pipeline).prepare(images).array)


@pytest.mark.parametrize("pipeline", [*CASTS, *COLORS], ids=lambda each: str(each.steps[0]))
def test_casts_and_conversions_equal_the_interpreter_at_every_size(pipeline: Pipeline) -> None:
    source = pipeline.source
    assert isinstance(source, TensorImage)
    sizes = [size for size in EXTREME_SIZES if max(size) < 128]
    images = make_images(source, sizes)
    assert_close(pipeline, run_kernels(pipeline, images), HostPreprocessor(pipeline).prepare(images).array)


def test_not_a_number_becomes_zero_when_it_is_stored_as_an_integer() -> None:
    pipeline = Pipeline(TensorImage("HW", 1, "float32"), [Cast("uint8"), Pad(2, 3)])
    image = np.array([[np.nan, np.inf, -np.inf], [0.5, 1.5, 300.0]], np.float32)
    wanted = [[0, 255, 0], [0, 2, 255]]
    np.testing.assert_array_equal(HostPreprocessor(pipeline).prepare([image]).array[0, :, :, 0], wanted)
    np.testing.assert_array_equal(run_kernels(pipeline, [image[:, :, None]])[0, :, :, 0], wanted)


def test_stages_are_as_many_as_resizes_and_at_least_one() -> None:
    numbers = {name: len(stages_of(pipeline)) for name, pipeline in CASES.items()}
    assert numbers == {name: {"two resizes": 2, "three resizes": 3}.get(name, 1) for name in CASES}


@pytest.mark.parametrize("name", ["imagenet", "two resizes", "three resizes", "nothing but a size"])
def test_batch_goes_to_the_device_in_one_copy_and_a_kernel_a_stage(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    pipeline = CASES[name]
    on_device = make_preprocessor(pipeline, "cuda")
    for count in (3, 1, 3, 2):  # buffers are used again, also for less
        images = make_images(pipeline.source, SIZES[:count], count)  # type: ignore[arg-type]
        fake.launches.clear()
        prepared = on_device.prepare([*images, "no image"])
        assert_close(pipeline, prepared.array.get(), HostPreprocessor(pipeline).prepare(images).array)
        assert (len(fake.launches), {grid[1] for grid in fake.launches}) == (len(stages_of(pipeline)), {count})
        assert list(prepared.errors) == [count]
    assert len(fake.pinned_bytes) <= 4
    assert on_device.prepare([]).array.shape[0] == 0
    on_device.close()
