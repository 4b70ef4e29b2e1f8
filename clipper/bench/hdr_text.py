"""HdrHistogram's percentile text format (`.hgrm`), which its plotters read."""

from __future__ import annotations

import math
from collections.abc import Iterator

from clipper.bench.histogram import SUB_COUNT, LogHistogram, bucket_bounds

NS_PER_MS = 1_000_000
TICKS_PER_HALF_DISTANCE = 5


def percentile_text(histogram: LogHistogram, unit: float = NS_PER_MS, ticks: int = TICKS_PER_HALF_DISTANCE) -> str:
    """Write a histogram as HdrHistogram's `outputPercentileDistribution` does.

    Parameters
    ----------
    unit : float
        What a value is divided by; nanoseconds become milliseconds, which the plotters expect.
    ticks : int
        Lines for each halving of the distance to 100%.
    """
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    for value, ratio, count in _levels(histogram, ticks):
        line = f"{value / unit:12.3f} {ratio:2.12f} {count:10d}"
        lines.append(line if ratio >= 1 else f"{line} {1 / (1 - ratio):14.2f}")
    mean = histogram.mean if histogram.total else 0.0
    lines += [
        f"#[Mean    = {mean / unit:12.3f}, StdDeviation   = {_deviation(histogram, mean) / unit:12.3f}]",
        f"#[Max     = {histogram.largest / unit:12.3f}, Total count    = {histogram.total:12d}]",
        f"#[Buckets = {64 - SUB_COUNT.bit_length() + 2:12d}, SubBuckets     = {SUB_COUNT:12d}]",
    ]
    return "\n".join(lines) + "\n"


def _levels(histogram: LogHistogram, ticks: int) -> Iterator[tuple[int, float, int]]:
    """Yield (value, percentile as a ratio, cumulative count), denser towards the end; its PercentileIterator."""
    total, seen, level = histogram.total, 0, 0.0
    for bucket, count in sorted(histogram.counts.items()):
        seen += count
        while seen / total >= level / 100 and level < 100:
            yield bucket_bounds(bucket)[1], level / 100, seen
            halvings = math.floor(math.log2(100 / (100 - level))) + 1
            level += 100 / (ticks * 2**halvings)
            if seen == total:
                break
    if total:
        yield histogram.largest, 1.0, total


def _deviation(histogram: LogHistogram, mean: float) -> float:
    if not histogram.total:
        return 0.0
    squares = ((sum(bucket_bounds(bucket)) / 2 - mean) ** 2 * count for bucket, count in histogram.counts.items())
    return math.sqrt(sum(squares) / histogram.total)
