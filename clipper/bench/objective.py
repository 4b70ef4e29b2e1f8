"""What a server is asked to keep, and what the counts of its runs say about that. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from clipper.bench.binomial import fewest_to_be_sure, is_surely_above, is_surely_below
from clipper.bench.rate_search import Verdict
from clipper.errors import InvalidArgumentError


@dataclass(frozen=True)
class Evidence:
    """What became of the requests of a run.

    Parameters
    ----------
    scheduled : int
        Requests that were to be sent in the measured time.
    misses : int
        Those without a right answer within the objective: late ones, and all that failed.
    failed : int
        Those without a right answer at all: default, refused, bad status, wrong, lost, unanswered.
    """

    scheduled: int
    misses: int
    failed: int

    @classmethod
    def pooled(cls, runs: Iterable[Evidence]) -> Self:
        """Return the counts of several runs at one rate together."""
        known = list(runs)
        return cls(sum(r.scheduled for r in known), sum(r.misses for r in known), sum(r.failed for r in known))


@dataclass(frozen=True)
class Objective:
    """A latency objective as MLPerf's Server scenario has it: a percentile of all requests within a bound.

    A request that failed is infinitely late, so it counts against the percentile, too.

    Parameters
    ----------
    slo_us : int
        The bound, from the scheduled arrival.
    percentile : float
        Of the requests that must keep it; 0 to 100, both excluded.
    max_miss_ratio : float
        Of the requests that may fail, however fast; 0 to 1.
    """

    slo_us: int
    percentile: float = 99.0
    max_miss_ratio: float = 0.01

    def __post_init__(self) -> None:
        if self.slo_us < 1:
            raise InvalidArgumentError(f"the objective {self.slo_us} us is no positive duration")
        if not 0 < self.percentile < 100:
            raise InvalidArgumentError(
                f"the percentile {self.percentile:g} is not between 0 and 100", hint="99 is usual"
            )
        if not 0 <= self.max_miss_ratio < 1:
            raise InvalidArgumentError(
                f"the miss ratio {self.max_miss_ratio:g} is not between 0 and 1", hint="1% is written 1% or 0.01"
            )

    @property
    def late_ratio(self) -> float:
        """The part of all requests that may be late."""
        return 1 - self.percentile / 100

    def is_met_by(self, seen: Evidence) -> bool:
        """Whether these counts keep the objective, as they are."""
        if not seen.scheduled:
            return False
        # The slack is for the float of 1 - 0.99, not for the server.
        allowed = self.late_ratio * seen.scheduled * (1 + 1e-9)
        return seen.misses <= allowed and seen.failed <= self.max_miss_ratio * seen.scheduled * (1 + 1e-9)

    def is_surely_met_by(self, seen: Evidence, confidence: float) -> bool:
        """Whether a server that is just at its limit would hardly show counts as good as these.

        Where nothing may fail, no count can show that nothing ever will: that there was none suffices.
        """
        return self.is_met_by(seen) and all(
            limit == 0 or is_surely_below(count, seen.scheduled, limit, confidence)
            for count, limit in ((seen.misses, self.late_ratio), (seen.failed, self.max_miss_ratio))
        )

    def is_surely_missed_by(self, seen: Evidence, confidence: float) -> bool:
        """Whether a server that is just at its limit would hardly show counts as bad as these."""
        return any(
            is_surely_above(count, seen.scheduled, limit, confidence)
            for count, limit in ((seen.misses, self.late_ratio), (seen.failed, self.max_miss_ratio))
        )

    def fewest_queries(self, confidence: float) -> int:
        """Return how many requests, none of them missed, it takes to be so sure that it is met."""
        limits = [limit for limit in (self.late_ratio, self.max_miss_ratio) if limit > 0]
        return max(fewest_to_be_sure(limit, confidence) for limit in limits)

    def __str__(self) -> str:
        """Write it as tables do: p99 within 20 ms, at most 1% failed."""
        bound = f"{self.slo_us / 1000:g} ms" if self.slo_us >= 1000 else f"{self.slo_us} us"
        return f"p{self.percentile:g} within {bound}, at most {self.max_miss_ratio * 100:g}% failed"

    def to_json(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)


FEWEST_RUNS_TO_FAIL = 2


@dataclass
class RateTrial:
    """What the runs at one rate show together.

    Runs are pooled until their counts say for sure on which side of the objective the server is. It takes two to fail:
    requests of one stretch are late together, so one hiccup of the machine looks surer than it is. After ``most_runs``
    the counts decide as they are.
    """

    objective: Objective
    confidence: float
    most_runs: int = 3

    def __post_init__(self) -> None:
        self.seen: list[Evidence] = []
        self.void_runs = 0

    def observe(self, evidence: Evidence | None) -> None:
        """Take in a run's counts; None for a void run."""
        if evidence is None:
            self.void_runs += 1
        else:
            self.seen.append(evidence)

    @property
    def is_sure(self) -> bool:
        """Whether the objective is surely met by what was seen."""
        return bool(self.seen) and self.objective.is_surely_met_by(Evidence.pooled(self.seen), self.confidence)

    @property
    def verdict(self) -> Verdict | None:
        """What was shown; None while another run is needed."""
        pooled = Evidence.pooled(self.seen)
        if self.is_sure:
            return Verdict.HOLDS
        if len(self.seen) >= self.most_runs:
            return Verdict.HOLDS if self.objective.is_met_by(pooled) else Verdict.FAILS
        is_missed = self.objective.is_surely_missed_by(pooled, self.confidence)
        if len(self.seen) >= FEWEST_RUNS_TO_FAIL and is_missed:
            return Verdict.FAILS
        return Verdict.VOID if self.void_runs >= self.most_runs else None
