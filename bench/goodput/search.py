"""Searches over probes: sustainable rates of several policies, one probe after the other or all side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.goodput.deployment import Probe
from bench.loadgen.rate_search import RateSearch, Verdict
from bench.simulate.search import IN_TIME_RATIO

RunProbe = Callable[[str, float, int], Probe]
"""(policy, rate, seed) -> what was seen."""


@dataclass
class PolicySearch:
    """The search for one policy's sustainable rate in one round.

    Parameters
    ----------
    policy : str
        Its application.
    guess_per_s : float
        Where to begin.
    seed : int
        Of the arrivals: all policies of a round meet the same ones, so that chance favours none.
    """

    policy: str
    guess_per_s: float
    seed: int
    resolution_ratio: float = 1.03
    max_probes: int = 6
    step_ratio: float = 1.1
    probes: list[Probe] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._search = RateSearch(
            self.guess_per_s, self.resolution_ratio, self.max_probes, tries_per_rate=2, step_ratio=self.step_ratio
        )

    def next_rate(self) -> float | None:
        """Return the rate to probe now, None when the search is over."""
        return self._search.next_rate()

    def observe(self, probe: Probe) -> None:
        """Take in a probe at that rate."""
        self.probes.append(probe)
        if probe.in_time_ratio >= IN_TIME_RATIO:
            self._search.observe(Verdict.HOLDS)
        else:
            self._search.observe(Verdict.VOID if probe.void_reason else Verdict.FAILS)

    @property
    def rate_per_s(self) -> float:
        """Highest rate that held; 0 if none did."""
        return self._search.best or 0.0


def search_in_turn(searches: Iterable[PolicySearch], probe: RunProbe) -> None:
    """Run the searches one after the other: each has the machine to itself."""
    for search in searches:
        while (rate := search.next_rate()) is not None:
            search.observe(probe(search.policy, rate, search.seed))


def search_side_by_side(searches: Iterable[PolicySearch], probe: RunProbe) -> None:
    """Run all searches in step: for lines so slow that all of them together are no load."""
    running = list(searches)
    with ThreadPoolExecutor(max(1, len(running))) as pool:
        while running := [search for search in running if search.next_rate() is not None]:
            rates = [search.next_rate() or 0.0 for search in running]
            seeds = [search.seed for search in running]
            for search, seen in zip(running, pool.map(probe, [s.policy for s in running], rates, seeds), strict=True):
                search.observe(seen)
