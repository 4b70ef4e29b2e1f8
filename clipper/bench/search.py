"""The highest rate that keeps an objective: found several times over, then shown. Pure: who asks makes the runs.

Three phases. *Rough*: short runs that double the rate until it fails. *Search*: bisections around that, one a repeat,
each with seeds of its own; from their spread comes the confidence interval. *Confirm*: long runs at the median rate,
which must keep the objective as surely as MLPerf's Server scenario asks (its early stopping: 99%); where they do not,
a little less is tried. The best of several noisy runs is too good to be true, and only the confirmed rate is claimed.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any, Final

from clipper.bench.intervals import mean_interval
from clipper.bench.objective import Evidence, Objective, RateTrial
from clipper.bench.rate_search import RateSearch, Verdict
from clipper.errors import InvalidArgumentError

_ROUGH_STEP_RATIO: Final = 2.0
_ROUGH_RESOLUTION_RATIO: Final = 1.5
_ROUGH_RUNS: Final = 40  # doubling 1/s that often is beyond any server
_SEARCH_STEP_RATIO: Final = 1.15
_USUAL_RUNS_OF_SEARCH: Final = 6
_MOST_CONFIRM_STEPS: Final = 6


class Phase(StrEnum):
    """What a run of a search is for."""

    ROUGH = "rough"
    SEARCH = "search"
    CONFIRM = "confirm"


@dataclass(frozen=True)
class Step:
    """One run that is to be made."""

    phase: Phase
    repeat: int  # from 1; 0 outside of the searches
    rate_per_s: float
    number: int  # of all runs, from 0


@dataclass(frozen=True)
class SearchOptions:
    """How a search is made.

    Parameters
    ----------
    first_rate_per_s : float
        Where it begins; a fair guess saves runs.
    most_rate_per_s : float
        Not beyond it; infinite for no such limit.
    repeats : int
        Bisections; the interval needs two.
    resolution_ratio : float
        A bisection ends when its bracket is narrower than this ratio.
    most_runs_per_rate : int
        Runs that are pooled at one rate, at most, until they are sure.
    most_runs_per_search : int
        Runs of one bisection, at most.
    confidence : float
        With which a rate is taken to keep or to miss the objective while searching.
    confirm_confidence : float
        With which the claimed rate must keep it.
    """

    first_rate_per_s: float = 100.0
    most_rate_per_s: float = math.inf
    repeats: int = 3
    resolution_ratio: float = 1.05
    most_runs_per_rate: int = 3
    most_runs_per_search: int = 24
    confidence: float = 0.95
    confirm_confidence: float = 0.99

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InvalidArgumentError(f"repeats={self.repeats} is not possible: expected 1 or more")
        if not self.first_rate_per_s > 0 or not self.most_rate_per_s > 0:
            raise InvalidArgumentError("a rate must be more than 0 requests a second")
        if not self.resolution_ratio > 1:
            raise InvalidArgumentError(f"a resolution of {self.resolution_ratio - 1:.3g} never ends: expected 1% or so")


@dataclass(frozen=True)
class Bracket:
    """What one bisection found: the highest rate that held, and the lowest that did not."""

    low_per_s: float | None
    high_per_s: float | None
    is_limited_by_client: bool


@dataclass(frozen=True)
class Capacity:
    """The answer of a search.

    Parameters
    ----------
    rate_per_s : float or None
        The claimed rate: held in the searches, and confirmed (or `remarks` says why not); None if no rate holds.
    is_confirmed : bool
        Whether it kept the objective as surely as asked.
    low_per_s, high_per_s : float or None
        95% confidence interval of what the searches found; None for a single search, or one that was not to go on.
    limited_by : str
        What ended it: "server", "client" (the load generator could not go on) or "most_rate".
    """

    rate_per_s: float | None
    is_confirmed: bool
    low_per_s: float | None
    high_per_s: float | None
    limited_by: str
    brackets: tuple[Bracket, ...]
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)


@dataclass
class CapacitySearch:
    """Says which run comes next, until the answer is there."""

    objective: Objective
    options: SearchOptions
    runs: int = field(default=0, init=False)
    brackets: list[Bracket] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._phase: Phase | None = Phase.ROUGH
        self._search = self._rough_search()
        self._trial = self._new_trial()
        self._confirm_steps = 0
        self._confirm_rate = 0.0
        self._is_confirmed = False

    def next_step(self) -> Step | None:
        """Return the run to make now; None when the search is over."""
        if self._phase is None:
            return None
        if self._phase is Phase.CONFIRM:
            return Step(Phase.CONFIRM, 0, self._confirm_rate, self.runs)
        rate = self._search.next_rate()
        while rate is None:
            if not self._goes_on_searching():
                return self.next_step()
            rate = self._search.next_rate()
        return Step(self._phase, len(self.brackets) + 1 if self._phase is Phase.SEARCH else 0, rate, self.runs)

    def observe(self, evidence: Evidence | None) -> None:
        """Take in what the run of `next_step` showed; None if it was void."""
        self.runs += 1
        self._trial.observe(evidence)
        if self._phase is Phase.ROUGH:
            verdict = self._rough_verdict()
        else:
            verdict = self._trial.verdict
        if verdict is None:
            return
        if self._phase is Phase.CONFIRM:
            self._confirm(verdict)
        else:
            self._search.observe(verdict)
        self._trial = self._new_trial()

    def runs_left(self) -> float:
        """Return how many runs are still to come, roughly; for the progress bar."""
        to_confirm = 1.5
        if self._phase is None:
            return 0.0
        if self._phase is Phase.CONFIRM:
            return max(0.5, to_confirm - len(self._trial.seen))
        searches = self.options.repeats - len(self.brackets)
        if self._phase is Phase.ROUGH:
            return 2 + searches * _USUAL_RUNS_OF_SEARCH + to_confirm
        made = self._search.runs
        return max(1.0, _USUAL_RUNS_OF_SEARCH - made) + (searches - 1) * _USUAL_RUNS_OF_SEARCH + to_confirm

    def capacity(self) -> Capacity:
        """Return the answer; to be called when there is no next step."""
        lows = [bracket.low_per_s for bracket in self.brackets if bracket.low_per_s is not None]
        if not lows or len(lows) < len(self.brackets):
            remark = "no rate kept the objective" if not lows else "in some of the searches no rate kept the objective"
            return Capacity(None, False, None, None, self._limit(), tuple(self.brackets), (remark,))
        low, high = self._interval()
        remarks = []
        if not self._is_confirmed:
            remarks.append(
                f"the rate kept the objective while searching, but not with {self.options.confirm_confidence:.0%} "
                "confidence afterwards: longer runs may show it (--duration, --min-queries)"
            )
        rate = self._confirm_rate
        return Capacity(rate, self._is_confirmed, low, high, self._limit(), tuple(self.brackets), tuple(remarks))

    # -- phases ------------------------------------------------------------------------------------------------------

    def _rough_verdict(self) -> Verdict | None:
        """Judge by the counts of one run; of a void one there is a second."""
        if self._trial.seen:
            is_met = self.objective.is_met_by(self._trial.seen[-1])
            return Verdict.HOLDS if is_met else Verdict.FAILS
        return Verdict.VOID if self._trial.void_runs >= 2 else None

    def _goes_on_searching(self) -> bool:
        """End a search that has found what it can; whether another one follows it."""
        found = self._search
        if self._phase is Phase.SEARCH or found.best is None or found.best == found.max_rate:
            self.brackets.append(Bracket(found.best, found.too_high, found.is_limited_by_client))
            if self._phase is Phase.ROUGH:  # nothing holds, or everything does: there is nothing to search
                self._begin_confirming()
                return False
        if len(self.brackets) >= self.options.repeats:
            self._begin_confirming()
            return False
        self._phase = Phase.SEARCH
        self._search = RateSearch(
            self._guess(found),
            resolution_ratio=self.options.resolution_ratio,
            max_runs=self.options.most_runs_per_search,
            tries_per_rate=1,
            step_ratio=_SEARCH_STEP_RATIO,
            min_rate=self._least_rate(),
            max_rate=self.options.most_rate_per_s,
        )
        return True

    def _guess(self, found: RateSearch) -> float:
        """Return where a bisection begins: between what held and what did not in the one before."""
        lows = [bracket.low_per_s for bracket in self.brackets if bracket.low_per_s is not None]
        if lows:
            return median(lows)
        best = found.best or found.first_rate
        return best if found.too_high is None else math.sqrt(best * found.too_high)

    def _begin_confirming(self) -> None:
        lows = [bracket.low_per_s for bracket in self.brackets if bracket.low_per_s is not None]
        self._phase = Phase.CONFIRM if lows and len(lows) == len(self.brackets) else None
        if lows:
            self._confirm_rate = median(lows)
        self._trial = self._new_trial()

    def _confirm(self, verdict: Verdict) -> None:
        self._confirm_steps += 1
        if verdict is Verdict.HOLDS and self._trial.is_sure:
            self._is_confirmed = True
            self._phase = None
        elif self._confirm_steps >= _MOST_CONFIRM_STEPS or self._has_too_few_queries():
            self._phase = None
        else:
            self._confirm_rate /= self.options.resolution_ratio

    def _has_too_few_queries(self) -> bool:
        """Whether not even a run without a miss would have been sure: a lower rate has fewer still."""
        seen = sum(run.scheduled for run in self._trial.seen)
        return 0 < seen < self.objective.fewest_queries(self.options.confirm_confidence)

    def _interval(self) -> tuple[float | None, float | None]:
        """Return the 95% interval of the rates found: Student's, of their logarithms.

        A search knows its rate no better than its bracket; half of that is added on both sides.
        """
        middles, halves = [], []
        for bracket in self.brackets:
            low = math.log(bracket.low_per_s or 1.0)
            high = math.log(bracket.high_per_s or bracket.low_per_s or 1.0)
            middles.append((low + high) / 2)
            halves.append((high - low) / 2)
        if len(middles) < 2 or any(bracket.high_per_s is None for bracket in self.brackets):
            return None, None
        interval = mean_interval(middles)
        half = interval.half + sum(halves) / len(halves)
        return math.exp(interval.mean - half), math.exp(interval.mean + half)

    def _limit(self) -> str:
        if any(bracket.is_limited_by_client for bracket in self.brackets):
            return "client"
        return "server" if all(bracket.high_per_s is not None for bracket in self.brackets) else "most_rate"

    def _least_rate(self) -> float:
        return min(0.1, self.options.first_rate_per_s, self.options.most_rate_per_s)

    def _rough_search(self) -> RateSearch:
        return RateSearch(
            self.options.first_rate_per_s,
            resolution_ratio=_ROUGH_RESOLUTION_RATIO,
            max_runs=_ROUGH_RUNS,
            tries_per_rate=1,
            step_ratio=_ROUGH_STEP_RATIO,
            min_rate=self._least_rate(),
            max_rate=self.options.most_rate_per_s,
        )

    def _new_trial(self) -> RateTrial:
        is_to_confirm = self._phase is Phase.CONFIRM
        confidence = self.options.confirm_confidence if is_to_confirm else self.options.confidence
        return RateTrial(self.objective, confidence, self.options.most_runs_per_rate)
