"""Pipelines and images for the tests of preprocessing, and how far two implementations of one may differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from model_containers.gpu.operations import Mix, Resample
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.resample import FILTERS, Array
from model_containers.gpu.sources import Source, TensorImage
from model_containers.gpu.steps import (
    CONVERSIONS,
    Cast,
    CenterCrop,
    ConvertColor,
    Normalize,
    Pad,
    Resize,
    Step,
    ToChannelsFirst,
)

IMAGENET: Final = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# What people do, and what between them calls every branch of the generator.
CASES: Final[dict[str, Pipeline]] = {
    "imagenet": Pipeline(TensorImage(), [Resize(shortest=64), CenterCrop(56, 56), IMAGENET, ToChannelsFirst()]),
    "letterbox": Pipeline(
        TensorImage(), [Resize(longest=96, filter="area"), Pad(96, 96, (114,)), Cast("float16"), ToChannelsFirst()]
    ),
    "gray digits": Pipeline(
        TensorImage(), [ConvertColor("rgb_to_gray"), Resize(28, 28, filter="bicubic"), Normalize((0.5,), (0.5,))]
    ),
    "no rounding": Pipeline(TensorImage(), [Cast("float32"), Resize(40, 50, filter="bicubic"), IMAGENET]),
    "alpha, not antialiased": Pipeline(
        TensorImage(channels=4),
        [ConvertColor("rgba_to_rgb"), Resize(30, 70, antialias=False), ConvertColor("rgb_to_bgr")],
    ),
    "two resizes": Pipeline(
        TensorImage(dtype="uint16"),
        [
            Pad(130, 130, (9,)),
            Resize(longest=70, filter="bicubic"),
            ConvertColor("rgb_to_gray"),
            Pad(80, 90, (7,)),
            CenterCrop(60, 60),
            Resize(50, 20),
            Pad(60, 64, anchor="top_left"),
            Normalize(),
            Pad(66, 66, (1.5,)),
            ToChannelsFirst(),
        ],
    ),
    # The first result is an odd number of bytes, the second is read four at a time.
    "three resizes": Pipeline(
        TensorImage(channels=1), [Resize(33, 45), Resize(21, 35), Cast("float32"), Resize(20, 50, filter="area")]
    ),
    "half to bytes": Pipeline(
        TensorImage("HW", 1, "float16"), [Pad(128, 128, (0.5,)), Cast("uint8"), ConvertColor("gray_to_rgb")]
    ),
    "ycbcr": Pipeline(
        TensorImage("CHW"), [ConvertColor("rgb_to_ycbcr"), Pad(128, 128, (1, 2, 3)), CenterCrop(100, 90)]
    ),
    "half throughout": Pipeline(TensorImage("HWC", 2, "float16"), [Resize(33, 44), Normalize((0.1, 0.2), (0.5, 0.25))]),
    "nothing but a size": Pipeline(TensorImage(dtype="float32"), [Pad(128, 128)]),
}
SIZES: Final = ((100, 80), (61, 128), (37, 37))  # ragged; fit all of the cases
_BICUBIC_GAIN: Final = 2.1  # absolute weights of one axis sum to at most 1.45 (plain: a = -0.75)
_FLOAT_ERROR: Final = 4e-6  # of float32 sums of a few hundred taps, relative to the largest value


def make_images(source: TensorImage, sizes: Sequence[tuple[int, int]], seed: int = 0) -> list[Array]:
    """Return images of these sizes, as the source takes them: noise, which is hardest on filters and on rounding."""
    random = np.random.default_rng(seed)
    images = []
    for height, width in sizes:
        sides = {"H": height, "W": width, "C": source.channels}
        shape = [sides[axis] for axis in source.layout]
        if source.dtype.startswith("uint"):
            images.append(random.integers(0, np.iinfo(source.dtype).max, shape, source.dtype, endpoint=True))
        else:
            images.append((random.random(shape) * 300 - 20).astype(source.dtype))
    return images


def tolerance(pipeline: Pipeline) -> float:
    """Return by how much two right implementations may differ: rounding of sums, and what later steps make of it.

    Values that lie at a half may be rounded to either side, so an integer result that was computed may be off by one.
    """
    source = pipeline.source.image_type.element
    largest, error = float(source.maximum or 300), 0.0
    for typed in pipeline.operations:
        operation = typed.operation
        exact = error
        if isinstance(operation, Resample):
            gain = _BICUBIC_GAIN if operation.kind == "bicubic" else 1.0
            largest *= gain
            error = error * gain + _FLOAT_ERROR * largest
        elif isinstance(operation, Mix):
            if operation.picks is None:
                gain = max(sum(map(abs, row)) for row in operation.matrix)
                largest = largest * gain + max(map(abs, operation.offset))
                error = error * gain + _FLOAT_ERROR * largest
        else:
            largest = max([largest, *(operation.fill or ())])
            continue
        if typed.after.element.maximum is not None:
            largest = min(largest, float(typed.after.element.maximum))
            error = math.floor(error + 1) if error else exact
        elif typed.after.element.name == "float16" and error:
            error += largest * 2**-10
    return error


def assert_close(pipeline: Pipeline, found: Any, wanted: Any) -> None:
    """Compare two results of a pipeline."""
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    ours, theirs = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    # What is beyond float16 is infinite, and no number once a weight of nought has met it; just beyond, only one of the
    # two may have rounded up to it.
    both_beyond = ~np.isfinite(ours) & ~np.isfinite(theirs)
    most = float(np.finfo(np.float16).max)
    ours, theirs = (np.nan_to_num(each, nan=np.nan, posinf=most, neginf=-most) for each in (ours, theirs))
    difference = np.where(both_beyond, 0, np.abs(ours - theirs))
    assert difference.max(initial=0.0) <= tolerance(pipeline), (difference.max(), tolerance(pipeline))


@st.composite
def sources(draw: st.DrawFn) -> TensorImage:
    """Any source of arrays."""
    dtype = draw(st.sampled_from(["uint8", "uint16", "float16", "float32"]))
    layout = draw(st.sampled_from(["HWC", "CHW", "WHC", "HW"]))
    return TensorImage(layout, 1 if layout == "HW" else draw(st.integers(1, 4)), dtype)


@st.composite
def pipelines(
    draw: st.DrawFn, source: Source | None = None, elements: Sequence[str] = ("uint8", "float32")
) -> Pipeline:
    """Any pipeline of up to five steps; it ends in a stated size, and no image is too large or too small for it."""
    start = source or draw(sources())
    steps: list[Step] = []
    image = start.image_type
    for _ in range(draw(st.integers(0, 4))):
        step = draw(_steps(image.channels, elements))
        if isinstance(step, Pad) or (isinstance(step, ConvertColor) and image.element.maximum is None):
            continue
        steps.append(step)
        image = step.lower(image).after
    side = st.integers(1, 12)
    last = draw(st.sampled_from(["resize", "crop", "pad"]))
    if last == "crop":
        steps += [Resize(draw(side), draw(side)), CenterCrop(1, 1)]
    elif last == "pad":
        steps += [Resize(longest=draw(side)), Pad(12, draw(st.integers(12, 15)), (3,))]
    else:
        steps.append(
            Resize(draw(side), draw(side), filter=draw(st.sampled_from(FILTERS)), antialias=draw(st.booleans()))
        )
    if draw(st.booleans()):
        steps.append(ToChannelsFirst())
    return Pipeline(start, steps)


def _steps(channels: int, elements: Sequence[str]) -> st.SearchStrategy[Step]:
    side, kind = st.integers(1, 20), st.sampled_from(FILTERS)
    fitting = [name for name, (matrix, _) in CONVERSIONS.items() if len(matrix[0]) == channels]
    choices: list[st.SearchStrategy[Step]] = [
        st.builds(Cast, st.sampled_from(elements)),
        st.builds(Resize, side, side, filter=kind, antialias=st.booleans()),
        st.builds(Resize, shortest=side, filter=kind),
        st.builds(Resize, longest=side, filter=kind),
        st.builds(Normalize, st.just((0.25,)), st.just((0.5,))),
    ]
    return st.one_of(*choices, *([st.builds(ConvertColor, st.sampled_from(fitting))] if fitting else []))


SMALL_SIZES: Final = st.lists(st.tuples(st.integers(1, 24), st.integers(1, 24)), min_size=1, max_size=3)
EXTREME_SIZES: Final = ((1, 1), (1, 200), (200, 1), (2, 3))
EVERY_SIDE_LAYOUT: Final = ("HWC", "CHW", "WHC")
EXACT_ELEMENTS: Final = ("uint8", "uint16", "float32")
EVERY_ELEMENT: Final = (*EXACT_ELEMENTS, "float16")
