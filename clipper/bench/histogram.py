"""Logarithmic histograms of durations, which merge; the twin of the load client's log_histogram.hpp."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

SUB_BITS = 7
SUB_COUNT = 1 << SUB_BITS


def bucket_of(value: int) -> int:
    """Return the bucket that holds a value (an integer, 0 or more)."""
    if value < SUB_COUNT:
        return value
    shift = value.bit_length() - 1 - SUB_BITS
    return (shift + 1) * SUB_COUNT + (value >> shift) - SUB_COUNT


def bucket_bounds(bucket: int) -> tuple[int, int]:
    """Return the smallest and the largest value of a bucket."""
    if bucket < SUB_COUNT:
        return bucket, bucket
    shift = bucket // SUB_COUNT - 1
    low = (SUB_COUNT + bucket % SUB_COUNT) << shift
    return low, low + (1 << shift) - 1


@dataclass
class LogHistogram:
    """Counts by bucket; merging two adds them."""

    counts: dict[int, int] = field(default_factory=dict)

    @classmethod
    def from_pairs(cls, pairs: Iterable[Iterable[int]]) -> LogHistogram:
        """Read `[[bucket, count], ...]`, which the client and `to_pairs` write."""
        histogram = cls()
        for bucket, count in pairs:
            histogram.counts[bucket] = histogram.counts.get(bucket, 0) + count
        return histogram

    def to_pairs(self) -> list[list[int]]:
        """Return `[[bucket, count], ...]`, sorted."""
        return [[bucket, count] for bucket, count in sorted(self.counts.items())]

    def record(self, value: int) -> None:
        """Count one value."""
        bucket = bucket_of(value)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def merge(self, other: LogHistogram) -> None:
        """Add the counts of another histogram."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    @property
    def total(self) -> int:
        """How many values were recorded."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """Return the mean of all values, each counted as the middle of its bucket; `nan` if there is none."""
        middles = ((sum(bucket_bounds(bucket)) / 2, count) for bucket, count in self.counts.items())
        return sum(middle * count for middle, count in middles) / self.total if self.total else math.nan

    @property
    def largest(self) -> int:
        """End of the last bucket that holds a value; 0 if none does."""
        return bucket_bounds(max(self.counts))[1] if self.counts else 0

    def merged(self, other: LogHistogram) -> LogHistogram:
        """Return a histogram of both."""
        result = LogHistogram(dict(self.counts))
        result.merge(other)
        return result

    def count_up_to(self, value: int) -> int:
        """Count the values that certainly do not exceed this one: its own bucket is counted only if it ends there."""
        return sum(count for bucket, count in self.counts.items() if bucket_bounds(bucket)[1] <= value)

    def percentile(self, percent: float, missing: int = 0) -> float:
        """Return the value that `percent` of all values do not exceed, rounded up to its bucket's end.

        Parameters
        ----------
        percent : float
            0 to 100.
        missing : int
            Values that never arrived; they count as infinitely large.

        Returns
        -------
        float
            `inf` where the percentile falls among the missing ones; `nan` if there is nothing at all.
        """
        total = self.total + missing
        if total == 0:
            return math.nan
        wanted = max(1, math.ceil(total * percent / 100))
        seen = 0
        for bucket, count in sorted(self.counts.items()):
            seen += count
            if seen >= wanted:
                return float(bucket_bounds(bucket)[1])
        return math.inf
