"""How an input becomes an image, on the host: an encoded file (Pillow), or an array in a stated layout."""

from __future__ import annotations

import importlib
import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from model_containers.gpu.errors import ImageError, PipelineError
from model_containers.gpu.pixel_types import ImageType, element_type
from model_containers.gpu.resample import Array

MODES: Final = {"L": 1, "RGB": 3, "RGBA": 4}
# What Pillow converts without guessing. 16 bits and more ("I;16", "I", "F") would be cut off at 255.
CONVERTIBLE_MODES: Final = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "La", "RGBa")
# Not all that Pillow opens: each more is code that strangers can reach, and EPS starts a program.
FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
LAYOUTS: Final = ("HWC", "CHW", "WHC", "HW")


class Source(ABC):
    """The first part of a pipeline."""

    type_name: ClassVar[str]  # in JSON
    is_decoder: ClassVar[bool] = False  # whether `load` takes long enough to be worth a thread

    @property
    @abstractmethod
    def image_type(self) -> ImageType:
        """What every image is that ``load`` returns."""

    @abstractmethod
    def load(self, item: Any) -> Array:
        """Return one input as an array (height, width, channels), both sides at least 1.

        Raises
        ------
        ImageError
            It is no such image.
        """

    @abstractmethod
    def sample(self) -> Any:
        """Return an input that is in order, to warm up with."""


@dataclass(frozen=True)
class DecodeImage(Source):
    """An encoded image (JPEG, PNG, WebP, BMP, GIF's first frame), as bytes. Needs Pillow.

    Parameters
    ----------
    mode : str
        ``L`` (grey), ``RGB`` or ``RGBA``; an image of another mode is converted, except those of more than 8 bits.
    max_pixels : int
        A larger image is refused before any of it is decoded: a few kilobytes may unpack to gigabytes.
    max_bytes : int
        A larger file is refused unseen.
    orient : bool
        Turn the image as its EXIF orientation says, as cameras expect. Training pipelines usually do not.
    """

    mode: str = "RGB"
    max_pixels: int = 50_000_000  # a camera's picture has 12 to 48 million
    max_bytes: int = 32 << 20
    orient: bool = False
    formats: Sequence[str] = FORMATS

    type_name = "decode_image"
    is_decoder = True

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise PipelineError(f"the mode of DecodeImage is {self.mode!r}, expected one of {', '.join(MODES)}")
        if self.max_pixels < 1 or self.max_bytes < 1:
            raise PipelineError("the limits of DecodeImage must be positive")
        object.__setattr__(self, "formats", tuple(self.formats))

    @property
    def image_type(self) -> ImageType:
        return ImageType(element_type("uint8"), MODES[self.mode], None)

    def load(self, item: Any) -> Array:
        if not isinstance(item, bytes | bytearray | memoryview):
            raise ImageError(f"the input is {_kind_of(item)}, expected the bytes of an image file")
        if len(item) == 0:
            raise ImageError("the image is empty: 0 bytes")
        if len(item) > self.max_bytes:
            raise ImageError(f"the image has {len(item):,} bytes, at most {self.max_bytes:,} are taken")
        image_module = importlib.import_module("PIL.Image")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", image_module.DecompressionBombWarning)  # max_pixels decides
                with image_module.open(io.BytesIO(item), formats=self.formats) as image:
                    self._check(image)
                    return np.asarray(self._turned(image).convert(self.mode)).reshape(
                        *self._turned_size(image), MODES[self.mode]
                    )
        except ImageError:
            raise
        except image_module.UnidentifiedImageError:
            raise ImageError(f"the input is no image in one of the formats {', '.join(self.formats)}") from None
        except image_module.DecompressionBombError as error:  # Pillow's own limit, at 179 million
            raise ImageError(f"the image is larger than any that is taken: {error}") from None
        except Exception as error:  # noqa: BLE001 - decoders raise whatever they like about a damaged file
            raise ImageError(f"the image is damaged: {type(error).__name__}: {error}") from None

    def sample(self) -> bytes:
        buffer = io.BytesIO()
        importlib.import_module("PIL.Image").new(self.mode, (32, 32)).save(buffer, "PNG")
        return buffer.getvalue()

    def _check(self, image: Any) -> None:
        width, height = image.size
        if width * height > self.max_pixels:
            raise ImageError(f"the image has {width} x {height} pixels, at most {self.max_pixels:,} are taken")
        if width < 1 or height < 1:
            raise ImageError(f"the image has {width} x {height} pixels")
        if image.mode not in CONVERTIBLE_MODES:
            raise ImageError(
                f"the image is of mode {image.mode}, which cannot be converted to {self.mode} without loss"
            )

    def _turned(self, image: Any) -> Any:
        return importlib.import_module("PIL.ImageOps").exif_transpose(image) if self.orient else image

    def _turned_size(self, image: Any) -> tuple[int, int]:
        width, height = self._turned(image).size
        return height, width


@dataclass(frozen=True)
class TensorImage(Source):
    """An array in the layout that is named, as applications with ``input_type="tensor"`` send it."""

    layout: str = "HWC"
    channels: int = 3
    dtype: str = "uint8"
    max_pixels: int = 50_000_000

    type_name = "tensor_image"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise PipelineError(f"the layout is {self.layout!r}, expected one of {', '.join(LAYOUTS)}")
        if self.layout == "HW" and self.channels != 1:
            raise PipelineError(f"layout HW has 1 channel, not {self.channels}")
        if self.max_pixels < 1:
            raise PipelineError("max_pixels must be positive")
        ImageType(element_type(self.dtype), self.channels, None)

    @property
    def image_type(self) -> ImageType:
        return ImageType(element_type(self.dtype), self.channels, None)

    def load(self, item: Any) -> Array:
        if not isinstance(item, np.ndarray):
            raise ImageError(f"the input is {_kind_of(item)}, expected an array")
        if item.dtype != np.dtype(self.dtype):
            raise ImageError(f"the image is of {item.dtype}, expected {self.dtype}")
        if item.ndim != len(self.layout):
            raise ImageError(f"the image has shape {item.shape}, expected {self.layout}")
        image = item[:, :, None] if self.layout == "HW" else item.transpose([self.layout.index(axis) for axis in "HWC"])
        height, width, channels = image.shape
        if channels != self.channels:
            raise ImageError(f"the image has {channels} channels, expected {self.channels} (shape {item.shape})")
        if height < 1 or width < 1:
            raise ImageError(f"the image has {width} x {height} pixels")
        if height * width > self.max_pixels:
            raise ImageError(f"the image has {width} x {height} pixels, at most {self.max_pixels:,} are taken")
        return image

    def sample(self) -> Array:
        sides = {"H": 32, "W": 32, "C": self.channels}
        return np.zeros([sides[axis] for axis in self.layout], self.dtype)


SOURCES: Final[dict[str, type[Source]]] = {kind.type_name: kind for kind in (DecodeImage, TensorImage)}


def _kind_of(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
