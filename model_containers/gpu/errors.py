"""What can be wrong: the pipeline (whoever wrote it), one image (its sender), the device (nobody)."""

from __future__ import annotations

from model_containers.container import FatalError, ItemError


class PipelineError(ValueError):
    """The steps do not fit together, or a parameter is out of range. Raised when a pipeline is made."""


class ImageError(ItemError):
    """One input cannot be prepared; the others of its batch are not touched. The message is for its sender."""


class DeviceLostError(FatalError):
    """The CUDA context of this process is of no more use. It ends, unanswered batches go to another replica."""
