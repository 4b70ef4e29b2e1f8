"""Means of a few independent runs, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# 97.5% quantiles of Student's distribution with 1, 2, ... degrees of freedom; beyond the table that of the normal one,
# which is 4% narrower than the last.
_STUDENT: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
NORMAL: Final = 1.960


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its 95% confidence interval; the half is infinite for a single value."""

    mean: float
    half: float

    def __str__(self) -> str:
        """Write as the tables do, with as many digits as the interval leaves meaning to."""
        return f"{self.mean:.4f}" if math.isinf(self.half) else f"{self.mean:.4f} ± {self.half:.4f}"


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of independent values with its 95% interval.

    Raises
    ------
    ValueError
        If there are none.
    """
    count = len(values)
    if not count:
        raise ValueError("no values")
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, math.inf)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Interval(mean, student_quantile(count - 1) * math.sqrt(variance / count))


def student_quantile(degrees_of_freedom: int) -> float:
    """Return the 97.5% quantile of Student's distribution."""
    return _STUDENT[degrees_of_freedom - 1] if degrees_of_freedom <= len(_STUDENT) else NORMAL
