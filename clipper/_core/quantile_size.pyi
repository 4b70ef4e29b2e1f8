"""A batch-size controller that fits an upper quantile of duration on size."""

from typing import final

from clipper._core.batch_size import BatchSizeController

@final
class QuantileBatchSize(BatchSizeController):
    """The largest size of which nine batches of ten are predicted to stay within the target.

    The quantile is a line over size: weighted least squares with forgetting, times a factor moved by the gradient of
    the pinball loss. Every batch teaches the line, only full ones move the cap: at most to twice its size while it is
    looked for, by an eighth later, and down to half. One duration far off the line is not learned; two running rescale
    it.

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
        """Where the quantile of the duration is to be."""

    @property
    def max_size(self) -> int: ...
    @property
    def ratio(self) -> float:
        """Upper quantile of duration over the line's mean, at least 1."""

    def quantile_us(self, size: int) -> int:
        """Predicted quantile of the duration of a batch; 0 while nothing is known."""
