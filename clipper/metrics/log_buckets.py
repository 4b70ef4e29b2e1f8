"""Exported logarithmic histograms: reading, merging and coarsening them, in plain Python.

The bucket arithmetic is that of ``_core/histogram.hpp``, told once more because nothing here may import the compiled
core (management reads the counts of workers, too); a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SUB_BUCKETS = 32

Export = tuple[int, int, int, Sequence[Sequence[int]]]
"""``(count, sum, max, [(bucket, count), ...])``, as the core exports it and as it looks after a trip through JSON."""


def highest_of(bucket: int) -> int:
    """Return the largest value that falls into `bucket`."""
    if bucket < 2 * _SUB_BUCKETS:
        return bucket
    shift = bucket // _SUB_BUCKETS - 1
    return ((bucket % _SUB_BUCKETS + _SUB_BUCKETS + 1) << shift) - 1


@dataclass(frozen=True)
class HistogramSnapshot:
    """What a histogram held at one moment, in the unit of whoever recorded it.

    Parameters
    ----------
    max : int
        Largest value; 0 when nothing was recorded.
    buckets : sequence of (bucket, count)
        Occupied buckets in rising order.
    """

    count: int = 0
    sum: int = 0
    max: int = 0
    buckets: Sequence[tuple[int, int]] = ()

    @classmethod
    def from_export(cls, export: Export) -> HistogramSnapshot:
        """Read what ``Histogram.export()`` returned, also after a trip through JSON."""
        count, total, largest, buckets = export
        return cls(count, total, largest, tuple((bucket, times) for bucket, times in buckets))

    def percentile(self, ratio: float) -> int:
        """Return the value that at least `ratio` (0..1) of all values do not exceed, rounded up by at most 1/32."""
        rank = max(1, math.ceil(ratio * self.count))
        seen = 0
        for bucket, times in self.buckets:
            seen += times
            if seen >= rank:
                return min(highest_of(bucket), self.max)
        return self.max

    def cumulative(self, bounds: Sequence[int]) -> list[int]:
        """Return, for each of the rising `bounds`, how many values are known not to exceed it.

        A bucket that a bound cuts in two counts from the next bound on, so a count may lag behind the truth by the
        values within 1/32 below the bound, never run ahead of it.
        """
        counts: list[int] = []
        position, seen = 0, 0
        for bound in bounds:
            while position < len(self.buckets) and highest_of(self.buckets[position][0]) <= bound:
                seen += self.buckets[position][1]
                position += 1
            counts.append(seen)
        return counts


def merge(snapshots: Iterable[HistogramSnapshot]) -> HistogramSnapshot:
    """Add up the histograms of several workers."""
    count, total, largest = 0, 0, 0
    buckets: dict[int, int] = {}
    for snapshot in snapshots:
        count += snapshot.count
        total += snapshot.sum
        largest = max(largest, snapshot.max)
        for bucket, times in snapshot.buckets:
            buckets[bucket] = buckets.get(bucket, 0) + times
    return HistogramSnapshot(count, total, largest, tuple(sorted(buckets.items())))
