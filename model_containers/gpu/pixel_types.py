"""What an image is between two steps: its element type, channels, size as far as it is known, and layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from model_containers.gpu.errors import PipelineError

MAX_CHANNELS: Final = 8  # a pixel lives in registers
MAX_SIDE: Final = 32_768  # of a result; sources are bounded by their pixels


@dataclass(frozen=True)
class ElementType:
    """One of the element types that images may have.

    Values are computed in float32 whatever they are stored as; all of these fit into it without loss.
    """

    name: str  # numpy's
    item_bytes: int
    maximum: int | None  # of an integer; None for a float
    c_type: str  # how a kernel stores it


UINT8: Final = ElementType("uint8", 1, 255, "unsigned char")
UINT16: Final = ElementType("uint16", 2, 65_535, "unsigned short")
FLOAT16: Final = ElementType("float16", 2, None, "unsigned short")
FLOAT32: Final = ElementType("float32", 4, None, "float")
ELEMENT_TYPES: Final = {each.name: each for each in (UINT8, UINT16, FLOAT16, FLOAT32)}


def element_type(name: str) -> ElementType:
    """Return the element type of that name.

    Raises
    ------
    PipelineError
        There is none.
    """
    found = ELEMENT_TYPES.get(name)
    if found is None:
        raise PipelineError(f"the element type is {name!r}, expected one of {', '.join(ELEMENT_TYPES)}")
    return found


@dataclass(frozen=True)
class ImageType:
    """What every image of a batch has in common at one place of a pipeline."""

    element: ElementType
    channels: int
    size: tuple[int, int] | None  # height and width; None: they differ from image to image

    def __post_init__(self) -> None:
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise PipelineError(f"{self.channels} channels, expected 1 to {MAX_CHANNELS}")


def check_size(what: str, height: int, width: int) -> tuple[int, int]:
    """Return the size if it is one.

    Raises
    ------
    PipelineError
        A side is not a whole number from 1 to MAX_SIDE.
    """
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= MAX_SIDE:
            raise PipelineError(f"{what} to {height!r} x {width!r}, expected sides of 1 to {MAX_SIDE}")
    return height, width
