"""How sure a count of misses makes us of their probability: the binomial distribution, exactly."""

from __future__ import annotations

import math
from typing import Final

_TINY: Final = 1e-300
_PRECISION: Final = 1e-13
_MOST_TERMS: Final = 100_000


def probability_of_at_most(hits: int, count: int, share: float) -> float:
    """Return P(X <= hits) of X ~ Binomial(count, share).

    Raises
    ------
    ValueError
        If there is no such distribution.
    """
    if count < 0 or not 0 <= share <= 1:
        raise ValueError(f"no binomial distribution has count={count}, share={share}")
    if hits < 0:
        return 0.0
    if hits >= count or share == 0:
        return 1.0
    return _incomplete_beta(count - hits, hits + 1, 1 - share)


def is_surely_below(hits: int, count: int, share: float, confidence: float) -> bool:
    """Whether the true share of hits is below ``share``, as sure as ``confidence``.

    The test of MLPerf's early stopping: a run may end once so few hits would be this improbable at the limit.
    """
    return count > 0 and probability_of_at_most(hits, count, share) <= 1 - confidence


def is_surely_above(hits: int, count: int, share: float, confidence: float) -> bool:
    """Whether the true share of hits is above ``share``, as sure as ``confidence``."""
    return hits > 0 and 1 - probability_of_at_most(hits - 1, count, share) <= 1 - confidence


def fewest_to_be_sure(share: float, confidence: float) -> int:
    """Return how many trials without a hit show that the share of hits is below ``share``: 459 for 1% and 0.99."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-share))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction of the complement converges faster
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction from its front (the modified method of Lentz)."""
    c = 1.0
    d = 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
