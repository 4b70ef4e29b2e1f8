"""Goodput below, at and beyond capacity: what a server still delivers when more is asked than it can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from clipper.bench.capacity import Say
from clipper.bench.measure import Bench, Measurement
from clipper.bench.objective import Objective
from clipper.errors import InvalidArgumentError


@dataclass(frozen=True)
class Point:
    """Medians over the runs at one offered rate; what is None falls among requests that got no right answer.

    Parameters
    ----------
    share : float
        Of the capacity.
    goodput_per_s : float
        Right answers within the objective; ``goodput_low_per_s`` and ``goodput_high_per_s`` are the least and the most
        of the runs.
    failed_ratio : float
        Of the requests, without a right answer.
    """

    share: float
    offered_per_s: float
    runs: int
    goodput_per_s: float
    goodput_low_per_s: float
    goodput_high_per_s: float
    answered_per_s: float
    failed_ratio: float
    p50_us: float | None
    p99_us: float | None


def shares_between(first: float, last: float, count: int) -> tuple[float, ...]:
    """Return so many shares of the capacity, evenly spaced, both ends included.

    Raises
    ------
    InvalidArgumentError
        If there are none such.
    """
    if not 0 < first < last:
        raise InvalidArgumentError(
            f"a curve from {first:.0%} to {last:.0%} has no points: expected such as 10% to 200%"
        )
    if count < 2:
        raise InvalidArgumentError(f"a curve of {count} points is none: expected 2 or more")
    return tuple(first + (last - first) * number / (count - 1) for number in range(count))


def order_of(shares: Sequence[float], repeats: int) -> list[float]:
    """Return the shares in the order in which they are run: up, then down, and so on.

    What drifts meanwhile (clocks, memory, neighbours) then meets low and high rates alike.
    """
    return [share for number in range(repeats) for share in (shares if number % 2 == 0 else shares[::-1])]


def measure_curve(
    bench: Bench, capacity_per_s: float, shares: Sequence[float], repeats: int, say: Say, first_number: int = 0
) -> tuple[Measurement, ...]:
    """Make the runs of a curve."""
    order = order_of(shares, repeats)
    costs = [bench.setup.warmup_s + bench.setup.duration_at(share * capacity_per_s) for share in order]
    made = []
    for number, share in enumerate(order):
        rate = share * capacity_per_s
        say(f"{share:.0%} of capacity: {rate:,.4g} requests/s", sum(costs[number:]))
        made.append(bench.measure(rate, f"{share:.0%}", first_number + number))
    return tuple(made)


def points_of(measurements: Sequence[Measurement], capacity_per_s: float, objective: Objective) -> tuple[Point, ...]:
    """Return the points of a curve; void runs have no part in them, and a rate with none but such is left out."""
    by_rate: dict[float, list[Measurement]] = {}
    for measured in measurements:
        if measured.void_reason is None:
            by_rate.setdefault(measured.run.rate_per_s, []).append(measured)
    return tuple(_point(rate, runs, capacity_per_s, objective) for rate, runs in sorted(by_rate.items()))


def _point(rate: float, runs: Sequence[Measurement], capacity_per_s: float, objective: Objective) -> Point:
    goodputs = [one.run.goodput_per_s(objective.slo_us) for one in runs]
    return Point(
        share=rate / capacity_per_s,
        offered_per_s=rate,
        runs=len(runs),
        goodput_per_s=median(goodputs),
        goodput_low_per_s=min(goodputs),
        goodput_high_per_s=max(goodputs),
        answered_per_s=median(one.run.completed_per_s for one in runs),
        failed_ratio=median(one.run.failed / max(1, one.run.scheduled) for one in runs),
        p50_us=_finite(median(one.run.latency_us(50) for one in runs)),
        p99_us=_finite(median(one.run.latency_us(99) for one in runs)),
    )


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None
