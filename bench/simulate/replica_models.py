"""How long a simulated replica takes for a batch: a line, and what real machines add to it. Seeded and pure.

Each function returns a `Duration`; those that take one wrap it: ``slowed(noisy(line(FOREST), 0.05, seed=1), 10, 20)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bench.lines import Line

Duration = Callable[[int, float], float]
"""(size, start_us) -> how long a batch of that size takes which starts then, in us."""

_DRAWN = 4096  # random numbers drawn at once


def line(of: Line) -> Duration:
    """Take exactly what the line says."""
    return lambda size, start_us: of.duration_us(size)


def noisy(inner: Duration, ratio: float, *, seed: int) -> Duration:
    """Scatter: log-normal with this standard deviation, of mean 1, hence never negative."""
    sigma = math.sqrt(math.log(1 + ratio * ratio))
    random = np.random.default_rng(seed)
    drawn: list[float] = []

    def duration_us(size: int, start_us: float) -> float:
        if not drawn:
            drawn.extend(random.lognormal(-sigma * sigma / 2, sigma, _DRAWN).tolist())
        return inner(size, start_us) * drawn.pop()

    return duration_us


def pausing(inner: Duration, every_us: float, pause_us: float, *, seed: int) -> Duration:
    """Stop now and then, as a garbage collector does: pauses of a fixed length, a Poisson process of mean distance.

    A pause that falls into a batch prolongs it; one that falls between batches delays the next by what is left of it.
    """
    random = np.random.default_rng(seed)
    next_us = float(random.exponential(every_us))

    def duration_us(size: int, start_us: float) -> float:
        nonlocal next_us
        end_us = start_us + inner(size, start_us)
        while next_us < end_us:
            if next_us >= start_us:
                end_us += pause_us
            elif next_us + pause_us > start_us:
                end_us += next_us + pause_us - start_us
            next_us += pause_us + float(random.exponential(every_us))
        return end_us - start_us

    return duration_us


def drifting(inner: Duration, period_us: float, ratio: float) -> Duration:
    """Become slower and faster again, slowly: a sine around 1."""
    return lambda size, start_us: inner(size, start_us) * (1 + ratio * math.sin(2 * math.pi * start_us / period_us))


def slowed(inner: Duration, from_s: float, until_s: float, factor: float = 3.0) -> Duration:
    """Be slower by a factor for a while, all of a sudden."""
    return lambda size, start_us: inner(size, start_us) * (factor if from_s <= start_us / 1e6 < until_s else 1.0)
