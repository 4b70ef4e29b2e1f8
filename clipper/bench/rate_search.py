"""Finds the highest rate that holds, by growing or shrinking until it is bracketed and then by bisection. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum


class Verdict(Enum):
    """What one run at one rate showed."""

    HOLDS = "holds"
    FAILS = "fails"
    VOID = "void"  # the client fell behind, or the server was not whole: the run says nothing of it


@dataclass
class RateSearch:
    """Search for the highest rate that holds.

    A rate fails when it did so `tries_per_rate` times, since one hiccup of the machine is not the server's limit; it
    holds at the first run that does. A rate whose runs are void cannot be shown to hold either, so the search goes on
    below it, and says so (`is_limited_by_client`).

    Parameters
    ----------
    first_rate : float
        Where to begin, requests/s; a fair guess saves runs.
    resolution_ratio : float
        Stop when the bracket is narrower than this ratio.
    max_runs : int
        Stop after so many runs, whatever is known.
    min_rate, max_rate : float
        Rates that are not left.
    """

    first_rate: float
    resolution_ratio: float = 1.05
    max_runs: int = 14
    tries_per_rate: int = 2
    step_ratio: float = 1.3
    min_rate: float = 1.0
    max_rate: float = math.inf
    best: float | None = None
    is_limited_by_client: bool = False
    runs: int = field(default=0, init=False)
    too_high: float | None = field(default=None, init=False)
    _rate: float = field(default=0.0, init=False)
    _tries: int = field(default=0, init=False)
    _descents: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.first_rate <= 0:
            raise ValueError(f"first_rate must be positive, not {self.first_rate}")
        if self.resolution_ratio <= 1 or self.step_ratio <= 1:
            raise ValueError("resolution_ratio and step_ratio must be above 1")
        self._rate = min(self.first_rate, self.max_rate)

    def next_rate(self) -> float | None:
        """Return the rate to try now, or None when the search is over."""
        if self.runs >= self.max_runs or self._rate < self.min_rate or self.best == self.max_rate:
            return None
        if self.best is not None and self.too_high is not None:
            if self.too_high / self.best <= self.resolution_ratio:
                return None
        return self._rate

    def observe(self, verdict: Verdict) -> None:
        """Take in what the run at `next_rate()` showed."""
        self.runs += 1
        if verdict is Verdict.HOLDS:
            self.best = self._rate
        else:
            self._tries += 1
            if self._tries < self.tries_per_rate:
                return
            self.too_high = self._rate
            self.is_limited_by_client = verdict is Verdict.VOID
        self._tries = 0
        self._rate = self._choose()

    def _choose(self) -> float:
        if self.too_high is None:
            return min(self._rate * self.step_ratio, self.max_rate)
        if self.best is None:
            # Ever further down: a guess that was far too high must not take all the runs, and show nothing in the end.
            self._descents += 1
            below = self._rate / self.step_ratio ** (2 * self._descents)
            return below if self._rate <= self.min_rate else max(below, self.min_rate)
        return math.sqrt(self.best * self.too_high)
