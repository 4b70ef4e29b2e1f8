"""Batch-size controllers, one a replica."""

from typing import final

from typing_extensions import disjoint_base

DEFAULT_MAX_BATCH_SIZE: int

@disjoint_base
class BatchSizeController:
    """How large the next batch of one replica may be. Pure: nothing here reads a clock."""

    def next_size(self, now_us: int) -> int:
        """Largest size for the next batch, at least 1."""

    def observe(self, size: int, was_full: bool, duration_us: int) -> None:
        """Learn from one answered batch.

        Parameters
        ----------
        size : int
            Its items.
        was_full : bool
            Whether it was as large as ``next_size()`` allowed when it was formed.
        duration_us : int
            From sent to answered.
        """

    def set_target(self, slo_us: int, overhead_us: int) -> None:
        """Take over a changed SLO or a newly measured overhead; the cap follows with the next full batches."""

@final
class FixedBatchSize(BatchSizeController):
    """Always the same size."""

    def __init__(self, size: int) -> None: ...
    @property
    def size(self) -> int: ...

@disjoint_base
class AimedBatchSize(BatchSizeController):
    """Finds the size whose full batches stay within a part of the SLO: three quarters, less the overhead.

    Parameters
    ----------
    slo_us : int
        Smallest end-to-end SLO linked to the model, at least 1.
    overhead_us : int
        What a batch costs beside its own duration, as measured. The target is three quarters of the SLO less this, at
        least an eighth of the SLO.
    max_size : int
        Hard limit on the size.

    Raises
    ------
    InvalidArgumentError
        If ``slo_us`` or ``max_size`` is 0.
    """

    def __init__(self, slo_us: int, *, overhead_us: int = 0, max_size: int = 4096) -> None: ...
    @property
    def slo_us(self) -> int: ...
    @property
    def overhead_us(self) -> int: ...
    @property
    def target_us(self) -> int:
        """Longest duration that counts as good."""

    @property
    def max_size(self) -> int: ...

@final
class AimdBatchSize(AimedBatchSize):
    """Additive increase, multiplicative decrease around the largest size that stays within the target.

    Doubles to the first violation (a full batch longer than the target), returns to the last good size, then climbs by
    an eighth of the gap. Later the second violation in a row takes 10% off, or more where batches take far too long, up
    to half. Beyond its old ceiling the step doubles again, so a model that became faster is followed in tens of
    batches. A batch that was not full never changes the cap.
    """
