"""Prediction of how long a batch takes on a replica."""

from typing import final

@final
class FinishModel:
    """Predicted duration of a batch on one replica, ``base_us + size * per_item_us``.

    Learns with exponential forgetting from the batches answered. Nothing seen = 0 and 0: optimistic. Never negative.
    One giant outlier counts as a few times the prediction; two surprises running mean that the model changed its speed.

    Parameters
    ----------
    forget_ratio : float
        Share of the past that each batch replaces, between 0 and 1; 0.1 remembers about ten batches.

    Raises
    ------
    InvalidArgumentError
        If ``forget_ratio`` is not between 0 and 1.
    """

    def __init__(self, forget_ratio: float = 0.1) -> None: ...
    def record(self, size: int, duration_us: int) -> None:
        """Learn from one answered batch; a size of 0 is ignored."""

    def predict_us(self, size: int) -> int:
        """Predicted duration of a batch."""

    def longest(self, size: int) -> int:
        """What a batch may take if the slope is not known yet: never less than predicted; 0 if nothing was seen."""

    @property
    def base_us(self) -> int: ...
    @property
    def per_item_us(self) -> float: ...
