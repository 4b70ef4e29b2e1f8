"""Sustainable rate and goodput, and the best fixed size. All runs of a comparison share their seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bench.lines import SLO_US, Line
from bench.simulate.scenario import WARMUP_S, Batching, Outcome, Scenario, fixed

IN_TIME_RATIO = 0.99
"""Share of the offered queries to be answered in time for a rate to be sustained."""


@dataclass(frozen=True)
class Effort:
    """How long and how closely to look."""

    queries: int = 60_000  # offered after the warm-up, at each rate
    least_s: float = 3.0
    resolution_ratio: float = 1.005

    def duration_s(self, rate_per_s: float) -> float:
        """How long a run at this rate has to be, the warm-up included."""
        return WARMUP_S + max(self.least_s, self.queries / rate_per_s)


QUICK = Effort(queries=20_000, least_s=2.0, resolution_ratio=1.01)
FULL = Effort()


def outcome_at(scenario: Scenario, rate_per_s: float, effort: Effort) -> Outcome:
    """Run the scenario at a rate, for as long as the effort says."""
    return replace(scenario.at_rate(rate_per_s), duration_s=effort.duration_s(rate_per_s)).run()


def in_time_ratio(scenario: Scenario, rate_per_s: float, effort: Effort) -> float:
    """Share of what is offered at a rate that is answered in time, once settled."""
    outcome = outcome_at(scenario, rate_per_s, effort)
    return outcome.between(WARMUP_S, effort.duration_s(rate_per_s)).in_time_ratio


def goodput_per_s(scenario: Scenario, rate_per_s: float, effort: Effort) -> float:
    """Answers in time per second when so much is offered, once settled."""
    return outcome_at(scenario, rate_per_s, effort).goodput_per_s(WARMUP_S, effort.duration_s(rate_per_s))


def highest_rate(holds: Callable[[float], bool], guess_per_s: float, resolution_ratio: float) -> float:
    """Return the highest rate that holds, by growing or shrinking to a bracket and then bisection.

    Between the bracket's ends the answer is taken to change once; 0 if not even a thousandth of the guess holds.
    """
    low, high = guess_per_s, guess_per_s
    if holds(guess_per_s):
        while holds(high := high * 1.25):
            low = high
    else:
        while not holds(low := low / 1.25):
            high = low
            if low < guess_per_s / 1000:
                return 0.0
    while high / low > resolution_ratio:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def sustainable_rate_per_s(scenario: Scenario, guess_per_s: float, effort: Effort = FULL) -> float:
    """Highest Poisson rate at which 99% of the offered queries are answered in time."""
    return highest_rate(
        lambda rate: in_time_ratio(scenario, rate, effort) >= IN_TIME_RATIO, guess_per_s, effort.resolution_ratio
    )


def candidate_sizes(line: Line, slo_us: int = SLO_US) -> list[int]:
    """Return fixed sizes worth a look: those whose batch takes from a fifth of the objective to all of it."""
    sizes = {line.size_within(slo_us * share / 20) for share in range(4, 21)}
    return sorted({*sizes, *(size + 1 for size in sizes if size < 8), 1})


def best_fixed(
    scenario: Scenario, line: Line, guess_per_s: float, effort: Effort = FULL, sizes: Iterable[int] | None = None
) -> tuple[Batching, float]:
    """Search all fixed sizes for the one with the highest sustainable rate: coarsely, then between the neighbours."""
    rates: dict[int, float] = {}

    def rate_of(size: int) -> float:
        if size not in rates:
            guess = min(max(rates.values(), default=guess_per_s), 0.95 * line.capacity_per_s(size))
            rates[size] = sustainable_rate_per_s(replace(scenario, batching=fixed(size)), guess, effort)
        return rates[size]

    coarse = sorted(sizes if sizes is not None else candidate_sizes(line, scenario.slo_us))
    best = max(coarse, key=rate_of)
    if sizes is None:
        place = coarse.index(best)
        below, above = coarse[max(place - 1, 0)], coarse[min(place + 1, len(coarse) - 1)]
        between = {round(below + (above - below) * share / 6) for share in range(1, 6)}
        best = max({best, *between}, key=rate_of)
    return fixed(best), rates[best]
