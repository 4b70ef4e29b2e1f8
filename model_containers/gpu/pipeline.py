"""A source and steps, checked against each other when they are put together; and the same as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from model_containers.gpu.errors import PipelineError
from model_containers.gpu.operations import Mix, Placement, Resample, TypedOperation
from model_containers.gpu.pixel_types import ImageType
from model_containers.gpu.sources import SOURCES, Source
from model_containers.gpu.steps import STEPS, Step, ToChannelsFirst

CACHED_SIZES: Final = 4096  # geometries of a pipeline; a few hundred bytes each


@dataclass(frozen=True)
class Pipeline:
    """How inputs become what a network takes.

    Parameters
    ----------
    source : Source
        What an input is.
    steps : sequence of Step
        In order. All images must come out of them in one size: fixed by Resize(height, width), CenterCrop or Pad.

    Raises
    ------
    PipelineError
        The steps do not fit together; says which.
    """

    source: Source
    steps: Sequence[Step]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        if not isinstance(self.source, Source) or not all(isinstance(step, Step) for step in self.steps):
            raise PipelineError("a pipeline is made of one source and steps, such as DecodeImage(), [Resize(...), ...]")
        operations: list[TypedOperation] = []
        image_type = self.source.image_type
        for number, step in enumerate(self._inner_steps, 1):
            try:
                operations.append(step.lower(image_type))
            except PipelineError as error:
                raise PipelineError(f"step {number}, {type(step).__name__}: {error}") from None
            image_type = operations[-1].after
        if image_type.size is None:
            raise PipelineError(
                "the images of a batch would come out in different sizes: end with Resize(height=, width=), "
                "CenterCrop or Pad"
            )
        object.__setattr__(self, "_operations", tuple(operations))
        object.__setattr__(self, "_result", image_type)
        object.__setattr__(self, "_remembered", lru_cache(maxsize=CACHED_SIZES)(self._geometry))

    @property
    def is_channels_first(self) -> bool:
        """Whether a result is (channels, height, width)."""
        return bool(self.steps) and isinstance(self.steps[-1], ToChannelsFirst)

    @property
    def operations(self) -> tuple[TypedOperation, ...]:
        """The steps as operations, in order."""
        operations: tuple[TypedOperation, ...] = self.__dict__["_operations"]
        return operations

    @property
    def result_type(self) -> ImageType:
        """What an image is in the end; its size is known."""
        result: ImageType = self.__dict__["_result"]
        return result

    @property
    def result_shape(self) -> tuple[int, int, int]:
        """The shape of one result."""
        height, width = self.result_type.size or (0, 0)
        channels = self.result_type.channels
        return (channels, height, width) if self.is_channels_first else (height, width, channels)

    def geometry(self, height: int, width: int) -> tuple[Placement, ...]:
        """Return for each operation the size that comes out, and for a window where it lies. Remembered.

        Raises
        ------
        ImageError
            An image of this size cannot go through the steps.
        """
        placements: tuple[Placement, ...] = self.__dict__["_remembered"](height, width)
        return placements

    def _geometry(self, height: int, width: int) -> tuple[Placement, ...]:
        found = []
        for typed in self.operations:
            operation = typed.operation
            if isinstance(operation, Mix):
                placement = Placement(0, 0, height, width)
            elif isinstance(operation, Resample):
                placement = Placement(0, 0, *operation.target(height, width))
            else:
                placement = operation.place(height, width)
            found.append(placement)
            height, width = placement.height, placement.width
        return tuple(found)

    @property
    def _inner_steps(self) -> tuple[Step, ...]:
        return tuple(self.steps[:-1]) if self.is_channels_first else tuple(self.steps)

    def __reduce__(self) -> tuple[type[Pipeline], tuple[Source, Sequence[Step]]]:
        return Pipeline, (self.source, self.steps)


def pipeline_to_json(pipeline: Pipeline) -> str:
    """Return the pipeline as JSON, defaults included."""
    source = {"type": pipeline.source.type_name, **_fields(pipeline.source)}
    steps = [{"type": step.type_name, **_fields(step)} for step in pipeline.steps]
    return json.dumps({"source": source, "steps": steps}, indent=1)


def pipeline_from_json(text: str) -> Pipeline:
    """Read a pipeline.

    Raises
    ------
    PipelineError
        It is not JSON, names what there is not, or does not fit together.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise PipelineError(f"the pipeline is not JSON: {error}") from None
    if not isinstance(content, dict) or set(content) != {"source", "steps"} or not isinstance(content["steps"], list):
        raise PipelineError('a pipeline is {"source": {...}, "steps": [{...}, ...]}')
    source = _make("source", SOURCES, content["source"])
    return Pipeline(source, [_make(f"step {n}", STEPS, each) for n, each in enumerate(content["steps"], 1)])


def _fields(part: Any) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}


def _make(where: str, kinds: Mapping[str, type[Any]], content: Any) -> Any:
    name = content.get("type") if isinstance(content, dict) else None
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise PipelineError(f"{where} is of type {name!r}, expected one of {', '.join(kinds)}")
    given = {key: value for key, value in content.items() if key != "type"}
    known = [field.name for field in dataclasses.fields(kind)]
    strange = sorted(set(given) - set(known))
    if strange:
        raise PipelineError(f"{where}, {name}: no parameter {strange[0]!r}, expected some of {', '.join(known)}")
    try:
        return kind(**given)
    except PipelineError as error:
        raise PipelineError(f"{where}, {name}: {error}") from None
    except (TypeError, ValueError) as error:
        raise PipelineError(f"{where}, {name}: {error}") from None
