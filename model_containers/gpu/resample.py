"""Filter weights: which source pixels, with which weights, make a pixel of a resized image. One axis at a time.

With ``antialias`` the filter is stretched over the source pixels that a target pixel covers, as Pillow does and as
torchvision does by default; taps that fall outside of the image are left out and the others made up to 1. Without it a
filter of the size of the target's pixels is used whatever the scale, as OpenCV and ``torch.nn.functional.interpolate``
do; taps outside take the edge's pixel. ``area`` is the exact mean of what a target pixel covers, partial pixels by
their part (OpenCV's INTER_AREA, scikit-image's ``resize_local_mean``), and knows no antialias.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

FILTERS: Final = ("bilinear", "bicubic", "area")
CACHED_TABLES: Final = 128  # at most about 2 MB each, for sides of 32,768
BLOCK_OUTPUTS: Final = 16
BICUBIC_ANTIALIAS: Final = -0.5  # Pillow's; Keys (1981) shows that it is the most accurate
BICUBIC_PLAIN: Final = -0.75  # OpenCV's and PyTorch's


class Block(NamedTuple):
    """Some consecutive targets as one small dense matrix over the sources ``start`` to ``stop``."""

    start: int
    stop: int
    matrix: Array  # (targets, stop - start), float32


class Taps(NamedTuple):
    """The table of one axis. Every row has the same number of taps; all of them lie inside of the source."""

    starts: Array  # (target,), int32: the first source pixel
    weights: Array  # (target, taps), float32; rows sum to 1
    blocks: tuple[Block, ...]  # the same once more, for matrix products


@lru_cache(maxsize=CACHED_TABLES)
def taps_of(source: int, target: int, kind: str, antialias: bool) -> Taps:
    """Return the table that resizes ``source`` pixels to ``target``, both at least 1."""
    if kind == "area":
        first, weights = _area(source, target)
    else:
        first, weights = _filtered(source, target, kind, antialias)
    index = np.clip(first[:, None] + np.arange(weights.shape[1]), 0, source - 1)
    used = weights != 0
    lowest = np.where(used, index, source).min(axis=1)
    highest = np.where(used, index, -1).max(axis=1)
    count = int((highest - lowest).max()) + 1
    starts = np.minimum(lowest, source - count)
    table = np.zeros((target, count))
    rows = np.broadcast_to(np.arange(target)[:, None], index.shape)
    np.add.at(table, (rows[used], (index - starts[:, None])[used]), weights[used])
    table /= table.sum(axis=1, keepdims=True)
    narrow = table.astype(np.float32)
    return Taps(starts.astype(np.int32), narrow, tuple(_blocks(starts, narrow)))


def _filtered(source: int, target: int, kind: str, antialias: bool) -> tuple[Array, Array]:
    """Return the first tap of each target, which may lie outside, and the weights (target, taps)."""
    scale = source / target
    stretch = max(scale, 1.0) if antialias else 1.0
    support = (1.0 if kind == "bilinear" else 2.0) * stretch
    centers = (np.arange(target) + 0.5) * scale
    first = np.floor(centers - support + 0.5).astype(np.int64)
    stop = np.floor(centers + support + 0.5).astype(np.int64)
    index = first[:, None] + np.arange(int((stop - first).max()))
    distance = np.abs((index - centers[:, None] + 0.5) / stretch)
    if kind == "bilinear":
        weights = np.maximum(1.0 - distance, 0.0)
    else:
        weights = _cubic(distance, BICUBIC_ANTIALIAS if antialias else BICUBIC_PLAIN)
    if antialias:
        weights = np.where((index >= 0) & (index < source) & (index < stop[:, None]), weights, 0.0)
    return first, weights


def _cubic(distance: Array, a: float) -> Array:
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = (((distance - 5) * distance + 8) * distance - 4) * a
    return np.where(distance < 1, near, np.where(distance < 2, far, 0.0))


def _area(source: int, target: int) -> tuple[Array, Array]:
    # In whole numbers, of which one is the target-th part of a pixel: an edge that falls on a pixel's does so exactly.
    begins = np.arange(target, dtype=np.int64) * source
    ends = begins + source
    first = begins // target
    index = first[:, None] + np.arange(int((-(-ends // target) - first).max()))
    covered = np.minimum(ends[:, None], (index + 1) * target) - np.maximum(begins[:, None], index * target)
    return first, np.maximum(covered, 0) / source


def _blocks(starts: Array, weights: Array) -> list[Block]:
    count = weights.shape[1]
    blocks = []
    for begin in range(0, len(starts), BLOCK_OUTPUTS):
        rows = slice(begin, begin + BLOCK_OUTPUTS)
        start, stop = int(starts[rows].min()), int(starts[rows].max()) + count
        matrix = np.zeros((len(starts[rows]), stop - start), np.float32)
        columns = (starts[rows] - start)[:, None] + np.arange(count)
        np.put_along_axis(matrix, columns, weights[rows], axis=1)
        blocks.append(Block(start, stop, matrix))
    return blocks
