"""Means over seeds with their 95% intervals, as tables show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Two-sided 95% quantiles of Student's t by degrees of freedom; beyond 30 the normal one is close enough.
_T95 = {
    1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23, 11: 2.20, 12: 2.18,
    13: 2.16, 14: 2.14, 15: 2.13, 19: 2.09, 24: 2.06, 29: 2.05,
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A mean over seeds and half the width of its 95% interval."""

    mean: float
    half_width: float

    def text(self, digits: int = 4) -> str:
        """Write it as .1275 ± .0012; the leading zero of an error rate goes."""
        if abs(self.mean) >= 1:
            return f"{self.mean:,.{max(0, digits - 4)}f} ± {self.half_width:,.{max(0, digits - 4)}f}"
        return f"{self.mean:.{digits}f} ± {self.half_width:.{digits}f}".replace("0.", ".")


def figure_of(values: Sequence[float]) -> Figure:
    """Return the mean of one value a seed."""
    count = len(values)
    if count < 2:
        return Figure(float(np.mean(values)), math.inf)
    quantile = _T95.get(count - 1) or _T95[max(each for each in _T95 if each <= count - 1)]
    return Figure(float(np.mean(values)), float(quantile * np.std(values, ddof=1) / math.sqrt(count)))
