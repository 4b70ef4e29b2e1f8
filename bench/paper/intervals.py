"""Means and shares of what the figures measure, with their 95% confidence intervals."""

from __future__ import annotations

import math

from clipper.bench.intervals import NORMAL, Interval, mean_interval

__all__ = ["Interval", "mean_interval", "share_interval"]


def share_interval(hits: int, count: int) -> Interval:
    """Return a share of independent trials with its 95% interval (normal approximation).

    Raises
    ------
    ValueError
        If there are no trials.
    """
    if not count:
        raise ValueError("no trials")
    share = hits / count
    return Interval(share, NORMAL * math.sqrt(share * (1 - share) / count))
