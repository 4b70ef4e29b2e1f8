"""The load client's histograms, and quantiles of Prometheus' histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping

from clipper.bench.histogram import LogHistogram, bucket_bounds, bucket_of

__all__ = ["LogHistogram", "bucket_bounds", "bucket_of", "quantile_of_cumulative"]


def quantile_of_cumulative(buckets: Mapping[float, float], quantile: float) -> float:
    """Return a quantile of a Prometheus histogram (upper bound -> cumulative count), interpolated within its bucket."""
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return math.nan
    wanted = buckets[bounds[-1]] * quantile
    lower, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            inside = buckets[bound] - below
            if math.isinf(bound) or inside <= 0:
                return lower
            return lower + (bound - lower) * (wanted - below) / inside
        lower, below = bound, buckets[bound]
    return lower
