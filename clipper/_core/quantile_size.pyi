"""A batch-size controller that fits an upper quantile of duration on size."""

from typing import final

from clipper._core.batch_size import AimedBatchSize

@final
class QuantileBatchSize(AimedBatchSize):
    """The largest size of which nine batches of ten are predicted to stay within the target.

    The quantile is a line over size: weighted least squares with forgetting, times a factor moved by the gradient of
    the pinball loss. Every batch teaches the line, only full ones move the cap: at most to twice its size while it is
    looked for, by an eighth later, and down to half. One duration far off the line is not learned; two running rescale
    it.
    """

    @property
    def ratio(self) -> float:
        """Upper quantile of duration over the line's mean, at least 1."""

    def quantile_us(self, size: int) -> int:
        """Predicted quantile of the duration of a batch; 0 while nothing is known."""
