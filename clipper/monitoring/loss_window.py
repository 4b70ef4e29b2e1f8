"""The latest losses of an arm, and what their mean says."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final, Self

# Losses are kept in millionths: sums of integers are exact however long the window has been sliding.
MILLION: Final = 1_000_000
# Of the interval that is shown: 95% of a normal distribution.
SHOWN_Z: Final = 1.96


def wilson_interval(mean: float, count: int, z: float = SHOWN_Z) -> tuple[float, float]:
    """Return bounds of the true mean of ``count`` values in [0, 1] (Wilson 1927).

    Of all distributions on [0, 1] with a given mean, coin tosses vary most: for any other loss the interval is wide.

    Returns
    -------
    low, high : float
        (0, 1) if there is no value.
    """
    if count <= 0:
        return 0.0, 1.0
    ratio = z * z / count
    middle = (mean + ratio / 2) / (1 + ratio)
    half = z / (1 + ratio) * math.sqrt(max(0.0, mean * (1 - mean)) / count + ratio / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


class LossWindow:
    """The latest ``size`` losses in [0, 1], to the millionth. Adding and asking for the mean take constant time."""

    def __init__(self, size: int, millionths: Iterable[int] = ()) -> None:
        self._losses: deque[int] = deque(millionths, maxlen=size)
        self._sum = sum(self._losses)

    def add(self, loss: float) -> None:
        """Let the oldest loss go for a new one, once the window is full."""
        if len(self._losses) == self._losses.maxlen:
            self._sum -= self._losses[0]
        value = round(loss * MILLION)
        self._losses.append(value)
        self._sum += value

    def __len__(self) -> int:
        return len(self._losses)

    @property
    def mean(self) -> float | None:
        """The mean loss; None of an empty window."""
        return self._sum / MILLION / len(self._losses) if self._losses else None

    def latest(self, count: int) -> list[float]:
        """Return the latest ``count`` losses, or all there are, the oldest first."""
        newest_first = islice(reversed(self._losses), count)
        return [value / MILLION for value in newest_first][::-1]

    def clear(self) -> None:
        """Forget every loss."""
        self._losses.clear()
        self._sum = 0

    def to_state(self) -> list[int]:
        """Return the losses in millionths, the oldest first."""
        return list(self._losses)

    @classmethod
    def from_state(cls, size: int, state: Iterable[int]) -> Self:
        """Return the window that `to_state` wrote; a smaller one keeps the latest."""
        return cls(size, (min(MILLION, max(0, int(value))) for value in state))
