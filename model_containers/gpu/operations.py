"""The three primitives that steps are made of. ``run`` interprets them, ``kernel_source`` turns them into CUDA.

* ``Mix``: each new channel is a weighted sum of the old ones and a constant, then stored as an element type. Casts,
  colour conversions and normalisation are nothing else.
* ``Window``: a rectangle of the image, which may stick out of it: what lies outside is filled. Crops and pads.
* ``Resample``: separable filters, in height and in width.

A size that depends on the image comes from ``place`` or ``target``, pure functions of height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from model_containers.gpu.pixel_types import ElementType, ImageType

Size: TypeAlias = tuple[int, int]  # height, width


class Placement(NamedTuple):
    """A rectangle in the coordinates of an image; ``top`` and ``left`` may be negative."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Mix:
    """``new[i] = sum(matrix[i][j] * old[j]) + offset[i]``, rounded and saturated if it is stored as an integer."""

    matrix: tuple[tuple[float, ...], ...]
    offset: tuple[float, ...]
    element: ElementType

    @property
    def picks(self) -> tuple[int, ...] | None:
        """For each new channel the old one that it equals; None if there is anything to compute."""
        if any(self.offset) or any(
            sorted(row)[:-1] != [0.0] * (len(row) - 1) or max(row) != 1.0 for row in self.matrix
        ):
            return None
        return tuple(row.index(1.0) for row in self.matrix)

    @property
    def scales(self) -> tuple[float, ...] | None:
        """The diagonal, if there is nothing beside it."""
        rows = self.matrix
        if any(value for i, row in enumerate(rows) for j, value in enumerate(row) if i != j):
            return None
        return tuple(row[i] for i, row in enumerate(rows)) if len(rows) == len(rows[0]) else None


@dataclass(frozen=True)
class Window:
    """A rectangle of the image, filled with ``fill`` (one value a channel) where it sticks out; None: it never does."""

    place: Callable[[int, int], Placement]
    fill: tuple[float, ...] | None


@dataclass(frozen=True)
class Resample:
    """The image at another size; see ``resample.taps_of`` for the filters."""

    target: Callable[[int, int], Size]
    kind: str
    antialias: bool


Operation: TypeAlias = Mix | Window | Resample


@dataclass(frozen=True)
class TypedOperation:
    """An operation, and what goes in and comes out."""

    operation: Operation
    before: ImageType
    after: ImageType
