"""The steps that a user composes. Each is a frozen description; ``lower`` turns it into one of the operations.

A step keeps the element type unless it says otherwise: a resized uint8 image is rounded to uint8 again, as Pillow and
torchvision do. With ``Cast("float32")`` before it nothing is rounded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from model_containers.gpu.errors import ImageError, PipelineError
from model_containers.gpu.operations import Mix, Operation, Placement, Resample, Size, TypedOperation, Window
from model_containers.gpu.pixel_types import FLOAT32, ImageType, check_size, element_type
from model_containers.gpu.resample import FILTERS

MAX_RESIZED_PIXELS: Final = 64_000_000  # a strip of 1 x 50,000 pixels with its shorter side at 256 would be 3.3 billion

# Weights of ITU-R BT.601, as JPEG, Pillow, OpenCV and torchvision have them; the offsets are for values of 0 to 255.
CONVERSIONS: Final[dict[str, tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]]] = {
    "rgb_to_gray": (((0.299, 0.587, 0.114),), (0.0,)),
    "bgr_to_gray": (((0.114, 0.587, 0.299),), (0.0,)),
    "gray_to_rgb": (((1.0,), (1.0,), (1.0,)), (0.0, 0.0, 0.0)),
    "rgb_to_bgr": (((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), (0.0, 0.0, 0.0)),
    "bgr_to_rgb": (((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), (0.0, 0.0, 0.0)),
    "rgba_to_rgb": (((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)), (0.0, 0.0, 0.0)),
    "rgb_to_ycbcr": (
        ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)),
        (0.0, 128.0, 128.0),
    ),
}


class Step(ABC):
    """One step of a pipeline."""

    type_name: ClassVar[str]  # in JSON

    @abstractmethod
    def lower(self, before: ImageType) -> TypedOperation:
        """Return the operation that the step is for images of type ``before``.

        Raises
        ------
        PipelineError
            It cannot be applied to such images.
        """


@dataclass(frozen=True)
class Cast(Step):
    """Store as another element type. Values stay as they are; an integer is rounded (half to even) and saturated."""

    dtype: str

    type_name = "cast"

    def __post_init__(self) -> None:
        element_type(self.dtype)

    def lower(self, before: ImageType) -> TypedOperation:
        element, n = element_type(self.dtype), before.channels
        mix = Mix(_diagonal([1.0] * n), (0.0,) * n, element)
        return TypedOperation(mix, before, ImageType(element, n, before.size))


@dataclass(frozen=True)
class Normalize(Step):
    """``(value / divisor - mean) / std`` in float32, a mean and a std for each channel (or one for all).

    Mean and std are usually given for values of 0 to 1, hence the divisor: 255 for uint8 if nothing is said, 65,535 for
    uint16, 1 for floats.
    """

    mean: Sequence[float] = (0.0,)
    std: Sequence[float] = (1.0,)
    divisor: float | None = None

    type_name = "normalize"

    def __post_init__(self) -> None:
        if any(value <= 0 for value in self.std) or (self.divisor is not None and self.divisor <= 0):
            raise PipelineError(f"Normalize has std {self.std} and divisor {self.divisor}, expected positive numbers")
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))
        object.__setattr__(self, "std", tuple(map(float, self.std)))

    def lower(self, before: ImageType) -> TypedOperation:
        mean = _for_each_channel("the mean of Normalize", self.mean, before.channels)
        std = _for_each_channel("the std of Normalize", self.std, before.channels)
        divisor = self.divisor if self.divisor is not None else float(before.element.maximum or 1)
        factors = [1.0 / (divisor * each) for each in std]
        offset = tuple(-m / s for m, s in zip(mean, std, strict=True))
        after = ImageType(FLOAT32, before.channels, before.size)
        return TypedOperation(Mix(_diagonal(factors), offset, FLOAT32), before, after)


@dataclass(frozen=True)
class ConvertColor(Step):
    """Another colour space: one of ``CONVERSIONS``. ``rgba_to_rgb`` drops alpha; YCbCr wants values of 0 to 255."""

    conversion: str

    type_name = "convert_color"

    def __post_init__(self) -> None:
        if self.conversion not in CONVERSIONS:
            raise PipelineError(f"no conversion {self.conversion!r}, expected one of {', '.join(CONVERSIONS)}")

    def lower(self, before: ImageType) -> TypedOperation:
        matrix, offset = CONVERSIONS[self.conversion]
        if before.channels != len(matrix[0]):
            raise PipelineError(f"{self.conversion} takes {len(matrix[0])} channels, the image has {before.channels}")
        after = ImageType(before.element, len(matrix), before.size)
        return TypedOperation(Mix(matrix, offset, before.element), before, after)


@dataclass(frozen=True)
class Resize(Step):
    """To ``height`` x ``width``; or so that the ``shortest`` or ``longest`` side gets a length, proportions kept.

    The other side is rounded down, as torchvision does. For filters and ``antialias`` see ``resample``.
    """

    height: int | None = None
    width: int | None = None
    shortest: int | None = None
    longest: int | None = None
    filter: str = "bilinear"
    antialias: bool = True

    type_name = "resize"

    def __post_init__(self) -> None:
        whole = self.height is not None and self.width is not None
        given = [whole, self.shortest is not None, self.longest is not None]
        if sum(given) != 1 or (self.height is None) != (self.width is None):
            raise PipelineError("Resize takes height and width, or shortest, or longest")
        if self.filter not in FILTERS:
            raise PipelineError(f"no filter {self.filter!r}, expected one of {', '.join(FILTERS)}")
        for height, width in ((self.height, self.width), (self.shortest, self.shortest), (self.longest, self.longest)):
            if height is not None and width is not None:
                check_size("Resize", height, width)

    def target(self, height: int, width: int) -> Size:
        """Return the size of the result for an image of this size.

        Raises
        ------
        ImageError
            It would have more than MAX_RESIZED_PIXELS.
        """
        if self.height is not None and self.width is not None:
            return self.height, self.width
        of, to = (min(height, width), self.shortest) if self.shortest else (max(height, width), self.longest)
        factor_of, factor_to = of, int(to or 1)
        size = max(1, height * factor_to // factor_of), max(1, width * factor_to // factor_of)
        if size[0] * size[1] > MAX_RESIZED_PIXELS:
            raise ImageError(
                f"an image of {width} x {height} pixels would be resized to {size[1]} x {size[0]}, "
                f"more than {MAX_RESIZED_PIXELS:,} pixels"
            )
        return size

    def lower(self, before: ImageType) -> TypedOperation:
        is_known = self.height is not None or before.size is not None
        size = self.target(*(before.size or (1, 1))) if is_known else None
        after = ImageType(before.element, before.channels, size)
        antialias = self.antialias and self.filter != "area"
        return TypedOperation(Resample(self.target, self.filter, antialias), before, after)


@dataclass(frozen=True)
class CenterCrop(Step):
    """The middle of the image. One that is smaller is an error of that image: put Resize or Pad before."""

    height: int
    width: int

    type_name = "center_crop"

    def __post_init__(self) -> None:
        check_size("CenterCrop", self.height, self.width)

    def place(self, height: int, width: int) -> Placement:
        """Return the rectangle to keep. An odd pixel is split as torchvision does (half to even)."""
        if height < self.height or width < self.width:
            raise ImageError(
                f"an image of {width} x {height} pixels is smaller than the crop of {self.width} x {self.height}"
            )
        return Placement(round((height - self.height) / 2), round((width - self.width) / 2), self.height, self.width)

    def lower(self, before: ImageType) -> TypedOperation:
        return _window(self, before, None)


@dataclass(frozen=True)
class Pad(Step):
    """To ``height`` x ``width`` by a border of one colour. A larger image is an error of that image."""

    height: int
    width: int
    fill: Sequence[float] = (0.0,)
    anchor: str = "center"

    type_name = "pad"

    def __post_init__(self) -> None:
        check_size("Pad", self.height, self.width)
        if self.anchor not in ("center", "top_left"):
            raise PipelineError(f"the anchor of Pad is {self.anchor!r}, expected center or top_left")
        object.__setattr__(self, "fill", tuple(map(float, self.fill)))

    def place(self, height: int, width: int) -> Placement:
        """Return the padded rectangle in the image's coordinates. An odd pixel goes to the bottom and the right."""
        if height > self.height or width > self.width:
            raise ImageError(
                f"an image of {width} x {height} pixels is larger than {self.width} x {self.height}, to which it "
                "should be padded"
            )
        if self.anchor == "top_left":
            return Placement(0, 0, self.height, self.width)
        return Placement(-((self.height - height) // 2), -((self.width - width) // 2), self.height, self.width)

    def lower(self, before: ImageType) -> TypedOperation:
        fill = _for_each_channel("the fill of Pad", self.fill, before.channels)
        highest = before.element.maximum
        if highest is not None and any(not 0 <= value <= highest or value != int(value) for value in fill):
            raise PipelineError(f"Pad fills {before.element.name} images with {fill}, expected whole 0 to {highest}")
        return _window(self, before, fill)


@dataclass(frozen=True)
class ToChannelsFirst(Step):
    """NHWC to NCHW, the layout that most networks want. The last step, if it is there."""

    type_name = "to_channels_first"

    def lower(self, before: ImageType) -> TypedOperation:
        raise PipelineError("ToChannelsFirst is only possible as the last step")


STEPS: Final[dict[str, type[Step]]] = {
    kind.type_name: kind for kind in (Cast, Normalize, ConvertColor, Resize, CenterCrop, Pad, ToChannelsFirst)
}


def _window(step: CenterCrop | Pad, before: ImageType, fill: tuple[float, ...] | None) -> TypedOperation:
    if before.size is not None:
        try:
            step.place(*before.size)
        except ImageError as error:
            raise PipelineError(f"{type(step).__name__} cannot succeed: {error}") from None
    after = ImageType(before.element, before.channels, (step.height, step.width))
    operation: Operation = Window(step.place, fill)
    return TypedOperation(operation, before, after)


def _diagonal(values: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(value if i == j else 0.0 for j in range(len(values))) for i, value in enumerate(values))


def _for_each_channel(what: str, values: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(values) not in (1, channels):
        raise PipelineError(f"{what} has {len(values)} values for {channels} channels, expected 1 or {channels}")
    return tuple(values) * channels if len(values) == 1 else tuple(values)
