"""Preprocessing against references that know nothing of it: Pillow, scikit-image, the array API, kernels as C++."""

from __future__ import annotations

import importlib
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import HostPreprocessor
from model_containers.gpu.resample import FILTERS, taps_of
from model_containers.gpu.run import run_pipeline
from model_containers.gpu.sources import TensorImage
from model_containers.gpu.steps import Cast, CenterCrop, ConvertColor, Normalize, Pad, Resize, ToChannelsFirst
from tests.support.gpu_cases import (
    CASES,
    EXACT_ELEMENTS,
    SMALL_SIZES,
    assert_close,
    make_images,
    pipelines,
)
from tests.support.kernel_on_cpu import run_kernels

SIDES = st.integers(1, 60)
SIZES = st.tuples(SIDES, SIDES)
SEEDS = st.integers(0, 1000)
PILLOW_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
FLOAT_LEVELS = 2e-4  # of 255: float32 sums in another order
FEWER_EXAMPLES = 50  # of what takes 20 ms each
COMPILED_EXAMPLES = 12  # each compiles one or two kernels, 0.1 s


def prepared(pipeline: Pipeline, *images: Any) -> Any:
    """Prepare images of which none is wrong."""
    found = HostPreprocessor(pipeline).prepare(images)
    assert not found.errors, found.errors
    return found.array


@given(size=SIZES, target=SIZES, kind=st.sampled_from(["bilinear", "bicubic"]), seed=SEEDS)
def test_float_resize_equals_pillow_in_its_float_mode(
    size: tuple[int, int], target: tuple[int, int], kind: str, seed: int
) -> None:
    image = np.random.default_rng(seed).random(size, np.float32) * 255
    found = prepared(Pipeline(TensorImage("HW", 1, "float32"), [Resize(*target, filter=kind)]), image)[0, :, :, 0]
    wanted = np.asarray(Image.fromarray(image).resize(target[::-1], PILLOW_FILTERS[kind]))
    np.testing.assert_allclose(found, wanted, atol=FLOAT_LEVELS, rtol=0)


@given(size=SIZES, target=SIZES, seed=SEEDS)
def test_bilinear_resize_of_bytes_is_within_a_level_of_pillow(
    size: tuple[int, int], target: tuple[int, int], seed: int
) -> None:
    # Pillow rounds between the axes, too. Bicubic overshoots, and there it saturates in between: floats are compared.
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    found = prepared(Pipeline(TensorImage(), [Resize(*target)]), image)[0]
    wanted = np.asarray(Image.fromarray(image).resize(target[::-1], PILLOW_FILTERS["bilinear"]))
    assert np.abs(found.astype(int) - wanted).max() <= 1


@given(size=SIZES, factors=st.tuples(st.integers(1, 6), st.integers(1, 6)), seed=SEEDS)
def test_area_equals_the_reduction_of_pillow_where_the_sizes_divide(
    size: tuple[int, int], factors: tuple[int, int], seed: int
) -> None:
    image = np.random.default_rng(seed).random([a * b for a, b in zip(size, factors, strict=True)], np.float32)
    found = prepared(Pipeline(TensorImage("HW", 1, "float32"), [Resize(*size, filter="area")]), image)[0, :, :, 0]
    np.testing.assert_allclose(found, np.asarray(Image.fromarray(image).reduce(factors[::-1])), atol=1e-5)


@pytest.mark.optional("skimage", "python -m pip install 'scikit-image>=0.22'")
@settings(max_examples=FEWER_EXAMPLES)
@given(size=SIZES, target=SIZES, seed=SEEDS)
def test_area_equals_the_local_mean_of_scikit_image_at_any_size(
    size: tuple[int, int], target: tuple[int, int], seed: int
) -> None:
    image = np.random.default_rng(seed).random((*size, 2), np.float32)
    found = prepared(Pipeline(TensorImage(channels=2, dtype="float32"), [Resize(*target, filter="area")]), image)[0]
    local_mean = importlib.import_module("skimage.transform").resize_local_mean
    np.testing.assert_allclose(found, local_mean(image, target, channel_axis=2), atol=1e-5)


@given(size=SIZES, target=SIZES, seed=SEEDS)
def test_bilinear_without_antialias_interpolates_between_the_four_neighbours(
    size: tuple[int, int], target: tuple[int, int], seed: int
) -> None:
    image = np.random.default_rng(seed).random(size)
    steps = [Resize(*target, antialias=False)]
    found = prepared(Pipeline(TensorImage("HW", 1, "float32"), steps), image.astype(np.float32))[0, :, :, 0]
    wanted = image
    for axis in (0, 1):  # numpy's interpolation, which holds the edges
        places = (np.arange(target[axis]) + 0.5) * size[axis] / target[axis] - 0.5
        known = np.arange(size[axis])
        wanted = np.apply_along_axis(lambda line, at, of: np.interp(at, of, line), axis, wanted, places, known)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@given(source=st.integers(1, 300), target=st.integers(1, 300), kind=st.sampled_from(FILTERS), antialias=st.booleans())
def test_taps_lie_inside_sum_to_one_and_agree_with_their_blocks(
    source: int, target: int, kind: str, antialias: bool
) -> None:
    taps = taps_of(source, target, kind, antialias)
    count = taps.weights.shape[1]
    assert taps.starts.min() >= 0 and taps.starts.max() + count <= source
    np.testing.assert_allclose(taps.weights.sum(axis=1), 1, atol=1e-5)
    dense = np.zeros((target, source), np.float32)
    np.put_along_axis(dense, taps.starts[:, None] + np.arange(count), taps.weights, axis=1)
    rows = [np.pad(block.matrix, ((0, 0), (block.start, source - block.stop))) for block in taps.blocks]
    np.testing.assert_array_equal(np.concatenate(rows), dense)


@given(size=SIZES, seed=SEEDS)
def test_gray_and_ycbcr_are_within_a_level_of_pillow(size: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    for conversion, mode in (("rgb_to_gray", "L"), ("rgb_to_ycbcr", "YCbCr")):
        pipeline = Pipeline(TensorImage(), [ConvertColor(conversion), Pad(60, 60, anchor="top_left")])
        found = prepared(pipeline, image)[0, : size[0], : size[1]]
        wanted = np.asarray(Image.fromarray(image).convert(mode)).reshape(found.shape)
        assert np.abs(found.astype(int) - wanted).max() <= 1


@given(size=SIZES, seed=SEEDS)
def test_padded_and_cropped_images_are_where_numpy_puts_them(size: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    padded = prepared(Pipeline(TensorImage(), [Pad(61, 62, (1, 2, 3))]), image)[0]
    top, left = (61 - size[0]) // 2, (62 - size[1]) // 2
    wanted = np.broadcast_to(np.array([1, 2, 3], np.uint8), (61, 62, 3)).copy()
    wanted[top : top + size[0], left : left + size[1]] = image
    np.testing.assert_array_equal(padded, wanted)
    round_trip = prepared(Pipeline(TensorImage(), [Pad(61, 62), ToChannelsFirst()]), image)[0]
    np.testing.assert_array_equal(round_trip[:, top : top + size[0], left : left + size[1]], image.transpose(2, 0, 1))


@given(size=SIZES, dtype=st.sampled_from(EXACT_ELEMENTS), mean=st.floats(-1, 1), std=st.floats(0.1, 2), seed=SEEDS)
def test_normalised_values_are_what_double_precision_makes_of_them(
    size: tuple[int, int], dtype: str, mean: float, std: float, seed: int
) -> None:
    source = TensorImage("HW", 1, dtype)
    (image,) = make_images(source, [size], seed)
    found = prepared(Pipeline(source, [Normalize((mean,), (std,)), CenterCrop(1, 1)]), image)[0, 0, 0, 0]
    row, column = round((size[0] - 1) / 2), round((size[1] - 1) / 2)
    divisor = 1 if dtype == "float32" else np.iinfo(dtype).max
    np.testing.assert_allclose(found, (np.float64(image[row, column]) / divisor - mean) / std, rtol=1e-4, atol=1e-5)


@settings(max_examples=FEWER_EXAMPLES)
@given(pipeline=pipelines(elements=EXACT_ELEMENTS), size=SIZES, seed=SEEDS)
def test_strict_array_namespace_computes_what_numpy_computes(
    pipeline: Pipeline, size: tuple[int, int], seed: int
) -> None:
    source = pipeline.source
    assert isinstance(source, TensorImage)
    if source.dtype == "float16":  # the standard has none
        pipeline = Pipeline(TensorImage(source.layout, source.channels, "float32"), pipeline.steps)
    (image,) = make_images(pipeline.source, [size], seed)  # type: ignore[arg-type]
    loaded = np.ascontiguousarray(pipeline.source.load(image))
    found = run_pipeline(array_api_strict, pipeline, array_api_strict.asarray(loaded))
    assert_close(pipeline, np.asarray(found), run_pipeline(np, pipeline, loaded))


@given(name=st.sampled_from(sorted(CASES)), sizes=st.lists(SIZES, min_size=1, max_size=4), seed=SEEDS)
def test_kernels_of_the_cases_equal_the_interpreter_at_any_sizes(
    name: str, sizes: list[tuple[int, int]], seed: int
) -> None:
    pipeline = CASES[name]
    images = make_images(pipeline.source, sizes, seed)  # type: ignore[arg-type]
    wanted = HostPreprocessor(pipeline).prepare(images)
    kept = [pipeline.source.load(images[place]) for place in wanted.kept]
    assert_close(pipeline, run_kernels(pipeline, kept), wanted.array)


@settings(max_examples=COMPILED_EXAMPLES)
@given(pipeline=pipelines(elements=("uint8", "uint16", "float16", "float32")), sizes=SMALL_SIZES, seed=SEEDS)
def test_kernels_of_any_pipeline_equal_the_interpreter(
    pipeline: Pipeline, sizes: list[tuple[int, int]], seed: int
) -> None:
    source = pipeline.source
    assert isinstance(source, TensorImage)
    images = make_images(source, sizes, seed)
    wanted = HostPreprocessor(pipeline).prepare(images)
    kept = [source.load(images[place]) for place in wanted.kept]
    assert_close(pipeline, run_kernels(pipeline, kept), wanted.array)


def test_rounding_to_bytes_is_half_to_even_and_saturates() -> None:
    image = np.array([[0.5, 1.5, 2.5, -3.0, 254.5, 255.5, 1e9]], np.float32)
    pipeline = Pipeline(TensorImage("HW", 1, "float32"), [Cast("uint8"), Pad(1, 7)])
    np.testing.assert_array_equal(prepared(pipeline, image).ravel(), [0, 2, 2, 0, 254, 255, 255])
