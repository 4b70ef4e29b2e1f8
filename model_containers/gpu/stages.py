"""Cut the operations of a pipeline into stages, each of which is one kernel: at most one Resample, anything around it.

Of each image a kernel is told a row of whole numbers: where its pixels lie, its size, and what depends on the size.
This file says which number stands in which column, for ``kernel_source`` that reads them and ``batch_plan`` that writes
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from model_containers.gpu.operations import Mix, Resample, TypedOperation, Window
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.pixel_types import ImageType

# The first columns of each row, then those of each operation in order.
SOURCE: Final = 0  # offset of the image's first element
HEIGHT: Final = 1  # size of the source
WIDTH: Final = 2
RESULT: Final = 3  # offset of the result's first element
RESULT_HEIGHT: Final = 4
RESULT_WIDTH: Final = 5
FIRST_OPERATION: Final = 6
# A window: top, left, then height and width of what goes in. A resample: the tables of both axes; see `batch_plan`.
WINDOW_COLUMNS: Final = 4
RESAMPLE_COLUMNS: Final = 6


@dataclass(frozen=True)
class Stage:
    """One kernel."""

    first: int  # index of its first operation in the pipeline
    operations: tuple[TypedOperation, ...]
    before: ImageType
    after: ImageType
    is_last: bool
    is_channels_first: bool

    @property
    def resample_at(self) -> int | None:
        """Which operation of the stage is the Resample, if there is one."""
        found = [at for at, typed in enumerate(self.operations) if isinstance(typed.operation, Resample)]
        return found[0] if found else None

    @property
    def columns(self) -> tuple[int, ...]:
        """For each operation its first column; one more: how many there are."""
        firsts = [FIRST_OPERATION]
        for typed in self.operations:
            firsts.append(firsts[-1] + _columns_of(typed))
        return tuple(firsts)


def _columns_of(typed: TypedOperation) -> int:
    if isinstance(typed.operation, Mix):
        return 0
    return WINDOW_COLUMNS if isinstance(typed.operation, Window) else RESAMPLE_COLUMNS


def stages_of(pipeline: Pipeline) -> tuple[Stage, ...]:
    """Return the stages, at least one."""
    operations = pipeline.operations
    resamples = [at for at, typed in enumerate(operations) if isinstance(typed.operation, Resample)]
    begins = [0, *resamples[1:]]
    stages = []
    for begin, end in zip(begins, [*begins[1:], len(operations)], strict=True):
        part = operations[begin:end]
        before = part[0].before if part else pipeline.source.image_type
        after = part[-1].after if part else before
        is_last = end == len(operations)
        stages.append(Stage(begin, part, before, after, is_last, is_last and pipeline.is_channels_first))
    return tuple(stages)
