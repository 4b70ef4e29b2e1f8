"""Where everything of a batch lies, in one block of memory that goes to the device in one copy.

The block: for each stage the rows of its items, then the tables of the filters, then the pixels. Results of a stage
that is not the last lie behind the block, each stage's aligned; those of the last in the array that is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from model_containers.gpu.operations import Placement, Resample, Window
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.resample import Array, Taps, taps_of
from model_containers.gpu.stages import Stage

ALIGNMENT_BYTES: Final = 256  # as cudaMalloc aligns; no access of ours needs more than 8


@dataclass(frozen=True)
class StagePlan:
    """One launch."""

    rows_at: int  # bytes from the begin of the block
    most_pixels: int  # of one result
    result_bytes: int  # of all results of the stage, up to where those of the next may begin


@dataclass(frozen=True)
class BatchPlan:
    """The layout of one block, and what is launched over it."""

    count: int
    stage_plans: tuple[StagePlan, ...]
    tables_at: int
    pixels_at: int
    pixel_offsets: tuple[int, ...]  # of each image, from pixels_at
    block_bytes: int
    head: Array  # the bytes before the pixels

    def fill(self, block: Array, images: Sequence[Array], run: Callable[..., Iterable[Any]] = map) -> None:
        """Write the whole block into memory of at least ``block_bytes``, uint8; ``run`` may be a thread pool's map."""
        block[: self.pixels_at] = self.head

        def copy(offset: int, image: Array) -> None:
            begin = self.pixels_at + offset
            np.copyto(block[begin : begin + image.nbytes].view(image.dtype).reshape(image.shape), image)

        for _ in run(copy, self.pixel_offsets, images):
            continue


class _Tables:
    """The filter tables that a batch needs, each once: starts as int32, then weights as float32."""

    def __init__(self) -> None:
        self.parts: list[Array] = []
        self._places: dict[int, int] = {}
        self._words = 0

    def place(self, taps: Taps) -> tuple[int, int, int]:
        """Return offset in words of 4 bytes, number of taps, number of targets."""
        at = self._places.get(id(taps))  # the cache of `taps_of` and `parts` keep it alive
        if at is None:
            at = self._places[id(taps)] = self._words
            self.parts += [taps.starts, np.ascontiguousarray(taps.weights).view(np.int32).ravel()]
            self._words += taps.starts.size + taps.weights.size
        return at, taps.weights.shape[1], taps.starts.shape[0]


def plan_batch(pipeline: Pipeline, kernel_stages: Sequence[Stage], sizes: Sequence[tuple[int, int]]) -> BatchPlan:
    """Return the plan for images of these sizes (height, width).

    Raises
    ------
    ImageError
        An image of one of the sizes cannot go through the steps.
    """
    geometries = [pipeline.geometry(*size) for size in sizes]
    tables, held = _Tables(), list[Taps]()
    pixel_bytes = kernel_stages[0].before.element.item_bytes * kernel_stages[0].before.channels
    pixel_offsets, end = _aligned_offsets([height * width * pixel_bytes for height, width in sizes])
    sources = [offset // kernel_stages[0].before.element.item_bytes for offset in pixel_offsets]
    rows, launches, ins = list[Array](), list[tuple[int, int]](), list(sizes)
    for stage in kernel_stages:
        outs = [_result_size(stage, geometry, size) for geometry, size in zip(geometries, ins, strict=True)]
        elements = [height * width * stage.after.channels for height, width in outs]
        results = [0, *np.cumsum(elements).tolist()]
        rows.append(
            np.array(
                [
                    [source, *size, result, *out, *_numbers(stage, geometry, size, tables, held)]
                    for source, size, result, out, geometry in zip(
                        sources, ins, results[:-1], outs, geometries, strict=True
                    )
                ],
                np.int64,
            )
        )
        most = max((height * width for height, width in outs), default=0)
        launches.append((most, _aligned(results[-1] * stage.after.element.item_bytes)))
        ins, sources = outs, results[:-1]
    return _laid_out(len(sizes), rows, launches, tables, pixel_offsets, end)


def _laid_out(
    count: int,
    rows: Sequence[Array],
    launches: Sequence[tuple[int, int]],
    tables: _Tables,
    pixel_offsets: list[int],
    pixels_end: int,
) -> BatchPlan:
    words = np.concatenate(tables.parts) if tables.parts else np.zeros(0, np.int32)
    places, head_bytes = _aligned_offsets([*(part.nbytes for part in rows), words.nbytes])
    head = np.zeros(head_bytes, np.uint8)
    for place, part in zip(places, [*rows, words], strict=True):
        head[place : place + part.nbytes] = np.ascontiguousarray(part).view(np.uint8).ravel()
    plans = tuple(StagePlan(place, *launch) for place, launch in zip(places, launches, strict=False))
    return BatchPlan(count, plans, places[-1], head_bytes, tuple(pixel_offsets), head_bytes + pixels_end, head)


def _result_size(stage: Stage, geometry: Sequence[Placement], size: tuple[int, int]) -> tuple[int, int]:
    if not stage.operations:
        return size
    last = geometry[stage.first + len(stage.operations) - 1]
    return last.height, last.width


def _numbers(
    stage: Stage, geometry: Sequence[Placement], size: tuple[int, int], tables: _Tables, held: list[Taps]
) -> list[int]:
    """The columns of the stage's operations for one image."""
    numbers: list[int] = []
    for typed, placement in zip(stage.operations, geometry[stage.first :], strict=False):
        operation = typed.operation
        if isinstance(operation, Window):
            numbers += [placement.top, placement.left, *size]
        elif isinstance(operation, Resample):
            for source, target in zip(size, placement[2:], strict=True):
                held.append(taps_of(source, target, operation.kind, operation.antialias))
                numbers += tables.place(held[-1])
        size = placement.height, placement.width
    return numbers


def _aligned_offsets(sizes_bytes: Sequence[int]) -> tuple[list[int], int]:
    offsets, end = [], 0
    for size_bytes in sizes_bytes:
        offsets.append(end)
        end += _aligned(size_bytes)
    return offsets, end


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
