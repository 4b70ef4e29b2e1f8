"""When queries come: Poisson, Gamma (bursty or even) and steps of either, seeded, as arrays of microseconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK = 65_536  # arrivals drawn at once: numpy's cost per call vanishes, and memory stays small

Times = NDArray[np.uint64]


@dataclass(frozen=True)
class Arrivals:
    """A renewal process: independent gaps between arrivals, Gamma distributed.

    Parameters
    ----------
    rate_per_s : float
        Mean rate; 0 = nobody comes.
    variation : float
        Standard deviation of a gap over its mean: 1 = Poisson, 0 = a metronome, above 1 = bursts.
    """

    rate_per_s: float
    variation: float = 1.0

    def __post_init__(self) -> None:
        if self.rate_per_s < 0 or self.variation < 0:
            raise ValueError(f"a rate and a variation are at least 0, not {self.rate_per_s} and {self.variation}")

    def gaps_us(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Draw so many gaps."""
        mean_us = 1e6 / self.rate_per_s
        if self.variation == 1.0:
            return random.exponential(mean_us, count)
        if self.variation == 0.0:
            return np.full(count, mean_us)
        shape = self.variation**-2
        return random.gamma(shape, mean_us / shape, count)

    def times(self, seed: int, from_us: float, until_us: float) -> Iterator[Times]:
        """Yield the arrivals of a span of time in order, in chunks, rounded down to whole microseconds."""
        random = np.random.default_rng(seed)
        last_us = from_us
        while self.rate_per_s > 0:
            at_us = last_us + np.cumsum(self.gaps_us(random, CHUNK))
            last_us = float(at_us[-1])
            yield at_us[at_us < until_us].astype(np.uint64)
            if last_us >= until_us:
                return


@dataclass(frozen=True)
class Steps:
    """Arrivals whose process changes: each lasts so long, one after the other.

    Parameters
    ----------
    steps : sequence of (float, Arrivals)
        Seconds and what comes in them; after the last nobody comes.
    """

    steps: Sequence[tuple[float, Arrivals]]

    def times(self, seed: int, from_us: float, until_us: float) -> Iterator[Times]:
        """Yield the arrivals of a span of time in order, in chunks."""
        begin_us = 0.0
        for number, (lasts_s, arrivals) in enumerate(self.steps):
            end_us = begin_us + lasts_s * 1e6
            if begin_us < until_us and end_us > from_us:
                yield from arrivals.times(seed + number, max(begin_us, from_us), min(end_us, until_us))
            begin_us = end_us
