"""Estimators of what a policy would have earned: from weights and rewards to a number with its interval.

Every estimator here is a mean of one term for each query (SNIPS: to first order), so one way to intervals serves all:
the variance of the terms, summed within contexts first, and Student's t with as many degrees of freedom as that
variance was really estimated from.

References
----------
Horvitz and Thompson 1952 (IPS); Swaminathan and Joachims 2015, "The self-normalized estimator for counterfactual
learning" (SNIPS); Dudík, Langford and Li 2011, "Doubly robust policy evaluation and learning" (DR); Satterthwaite 1946
(degrees of freedom); Liang and Zeger 1986 (clusters); Kish 1965 (effective sample size).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

DEFAULT_CONFIDENCE: Final = 0.95
MIN_DEGREES: Final = 1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward a query, in [0, 1] but for noise, with its confidence interval."""

    reward: float
    standard_error: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Terms:
    """What each query with feedback says about the candidate; arrays of shape (n,).

    With known rewards r(a), a candidate that chooses arm a with probability pi(a), and a log that knew arm a with
    probability p(a) and then did:
    """

    gain: Vector
    """Sum over the known arms of pi(a) / p(a) * r(a)."""
    weight: Vector
    """Sum over the known arms of pi(a) / p(a); its mean is 1, if the propensities are true."""
    direct: Vector
    """Sum over all arms of pi(a) * the reward that the direct model expects."""
    direct_known: Vector
    """Sum over the known arms of pi(a) / p(a) * the same."""
    earned: Vector
    """Reward of what was answered; NaN where that is not known."""
    clusters: NDArray[np.int64]
    """Number of the query's context; queries without one have numbers of their own."""


def ips(terms: Terms, confidence: float = DEFAULT_CONFIDENCE) -> Estimate:
    """Inverse propensity scoring: unbiased whatever the rewards; wide where weights are large."""
    return _mean(terms.gain, terms.clusters, confidence)


def snips(terms: Terms, confidence: float = DEFAULT_CONFIDENCE) -> Estimate:
    """Self-normalised: divided by the mean weight instead of by 1; nearly unbiased, narrower, never outside [0, 1]."""
    reward, influence = _snips(terms)
    return _interval(reward, influence, terms.clusters, confidence, effective_sample_size(terms.weight))


def doubly_robust(terms: Terms, confidence: float = DEFAULT_CONFIDENCE) -> Estimate:
    """Doubly robust: the direct model's expectation, and the weighted error that it makes; unbiased like IPS."""
    return _mean(_doubly_robust(terms), terms.clusters, confidence)


def earned(terms: Terms, confidence: float = DEFAULT_CONFIDENCE) -> Estimate | None:
    """Return what the policies in force did earn, on the queries with feedback; None if that is not known of any."""
    known = ~np.isnan(terms.earned)
    return _mean(terms.earned[known], terms.clusters[known], confidence) if known.any() else None


def difference(terms: Terms, estimator: str, confidence: float = DEFAULT_CONFIDENCE) -> Estimate | None:
    """Return how much more the candidate would have earned than what ran, query by query.

    What both have in common cancels, so this interval is narrower than two intervals side by side make it look. It is
    over the queries of which it is known what they earned; None if there are none.
    """
    known = ~np.isnan(terms.earned)
    if not known.any():
        return None
    if not known.all():
        terms = Terms(**{field.name: getattr(terms, field.name)[known] for field in fields(Terms)})
    ran = terms.earned
    if estimator == "snips":
        reward, influence = _snips(terms)
        return _interval(reward - ran.mean(), influence - (ran - ran.mean()), terms.clusters, confidence)
    term = terms.gain if estimator == "ips" else _doubly_robust(terms)
    return _mean(term - ran, terms.clusters, confidence)


ESTIMATORS: Final = {"ips": ips, "snips": snips, "doubly_robust": doubly_robust}


def estimate_all(terms: Terms, confidence: float = DEFAULT_CONFIDENCE) -> Mapping[str, Estimate]:
    """Return every estimate by the estimator's name."""
    return {name: estimator(terms, confidence) for name, estimator in ESTIMATORS.items()}


def effective_sample_size(weight: Vector) -> float:
    """Return how many queries of weight 1 would tell as much: (sum w)^2 / sum w^2 (Kish)."""
    squares = float(np.square(weight).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def student_quantile(confidence: float, degrees: float) -> float:
    """Return the two-sided quantile of Student's t: Hill 1970, to four digits from 2 degrees of freedom on."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    if degrees > 1e6:
        return z
    if degrees <= 1.0:
        return math.tan(math.pi * confidence / 2)
    if degrees <= 2.0:  # exact for 2; between 1 and 2 the wider of both ends would jump, so interpolate their logs
        one = math.tan(math.pi * confidence / 2)
        two = confidence * math.sqrt(2.0 / (1.0 - confidence**2))
        return math.exp(math.log(one) + (degrees - 1.0) * (math.log(two) - math.log(one)))
    return _hill(1.0 - confidence, degrees, z)


def _hill(both_tails: float, degrees: float, z: float) -> float:
    """Hill's Algorithm 396, "Student's t-quantiles", CACM 13(10)."""
    a = 1.0 / (degrees - 0.5)
    b = 48.0 / a**2
    c = ((20700.0 * a / b - 98.0) * a - 16.0) * a + 96.36
    d = ((94.5 / (b + c) - 3.0) / b + 1.0) * math.sqrt(a * math.pi / 2.0) * degrees
    y = (d * both_tails) ** (2.0 / degrees)
    if y > 0.05 + a:
        x = -z
        y = x * x
        if degrees < 5:
            c += 0.3 * (degrees - 4.5) * (x + 0.6)
        c = (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b + c
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x
        y = math.expm1(a * y * y)
    else:
        y = ((1.0 / (((degrees + 6.0) / (degrees * y) - 0.089 * d - 0.822) * (degrees + 2.0) * 3.0)
              + 0.5 / (degrees + 4.0)) * y - 1.0) * (degrees + 1.0) / (degrees + 2.0) + 1.0 / y  # fmt: skip
    return math.sqrt(degrees * y)


def _doubly_robust(terms: Terms) -> Vector:
    return terms.direct + terms.gain - terms.direct_known


def _snips(terms: Terms) -> tuple[float, Vector]:
    """Return the ratio of means, and by how much each query moves it (delta method)."""
    mean_weight = float(terms.weight.mean())
    if mean_weight <= 0:
        return math.nan, np.full_like(terms.gain, math.nan)
    reward = float(terms.gain.mean()) / mean_weight
    return reward, (terms.gain - reward * terms.weight) / mean_weight


def _mean(values: Vector, clusters: NDArray[np.int64], confidence: float) -> Estimate:
    reward = float(values.mean())
    return _interval(reward, values - reward, clusters, confidence)


def _interval(
    reward: float, influence: Vector, clusters: NDArray[np.int64], confidence: float, most_count: float = math.inf
) -> Estimate:
    """Return the estimate with its interval, from each query's influence (its mean is 0)."""
    if not math.isfinite(reward):
        return Estimate(math.nan, math.nan, math.nan, math.nan)
    sums = np.bincount(clusters, weights=influence)[np.bincount(clusters) > 0]
    count = len(sums)
    squares = np.square(sums)
    total = float(squares.sum())
    if count < 2:
        return Estimate(reward, math.inf, -math.inf, math.inf)
    standard_error = math.sqrt(total * count / (count - 1)) / len(influence)
    if total <= count * 1e-24:
        # All queries say the same: rule of three, what n failures in a row leave possible at this confidence.
        half = -math.log(1.0 - confidence) / max(1.0, min(count, most_count))
        return Estimate(reward, standard_error, reward - half, reward + half)
    # Satterthwaite: few large terms tell as little about the variance as few queries would.
    spread = float(np.square(squares).sum()) - total**2 / count
    degrees = count - 1.0 if spread <= 0 else min(count - 1.0, 2.0 * total**2 / spread)
    half = student_quantile(confidence, max(MIN_DEGREES, degrees)) * standard_error
    return Estimate(reward, standard_error, reward - half, reward + half)


def describe(estimate: Estimate | None) -> dict[str, Any] | None:
    """Return an estimate as JSON; numbers that JSON has not become null."""
    if estimate is None:
        return None
    return {key: value if math.isfinite(value) else None for key, value in estimate.to_json().items()}
