"""How far two samples of outputs lie apart, and how far chance alone puts them.

Both limits are for one comparison: beside a distance that matters in practice (``max_psi_ratio``, ``max_ks_ratio``) a
change must exceed what two samples of one distribution reach once in ``1 / CHANCE_RATIO`` comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

CHANCE_RATIO: Final = 1e-4
# Added to every count, so that a label which one sample lacks does not put the samples infinitely far apart
# (Krichevsky and Trofimov 1981).
_PRIOR: Final = 0.5


def population_stability_index(reference: Mapping[str, int], current: Mapping[str, int]) -> float:
    """Return the PSI of two counts of labels: the symmetric Kullback-Leibler divergence of their shares, in nats.

    Below 0.1 is commonly read as stable, above 0.25 as changed (Siddiqi, *Credit risk scorecards*, 2006). It is 0 of
    equal shares, and does not depend on which sample is the reference.
    """
    labels = sorted(reference.keys() | current.keys())
    if not labels:
        return 0.0
    before = np.array([reference.get(label, 0) for label in labels], dtype=np.float64) + _PRIOR
    after = np.array([current.get(label, 0) for label in labels], dtype=np.float64) + _PRIOR
    before /= before.sum()
    after /= after.sum()
    return float(np.sum((after - before) * np.log(after / before)))


def psi_by_chance(labels: int, reference_count: int, current_count: int, chance_ratio: float = CHANCE_RATIO) -> float:
    """Return the PSI that two samples of one distribution exceed with probability ``chance_ratio``.

    Between them it is distributed like (1/n + 1/m) times chi-squared with ``labels - 1`` degrees of freedom (Yurdakul
    and Naranjo, *Statistical properties of the population stability index*, 2020).
    """
    freedom = labels - 1
    if freedom <= 0:
        return 0.0
    # The quantile of chi-squared by Wilson and Hilferty 1931: too large by 7% for two labels, by 1% for ten.
    z = NormalDist().inv_cdf(1 - chance_ratio)
    ninth = 2 / (9 * freedom)
    quantile = freedom * (1 - ninth + z * math.sqrt(ninth)) ** 3
    return float((1 / reference_count + 1 / current_count) * quantile)


def kolmogorov_smirnov(reference: Sequence[float], current: Sequence[float]) -> float:
    """Return the largest difference between the distribution functions of two samples, from 0 to 1.

    Infinities are numbers like others. NaN is not: JSON has none.
    """
    if not len(reference) or not len(current):
        return 0.0
    before: npt.NDArray[np.float64] = np.sort(np.asarray(reference, dtype=np.float64))
    after: npt.NDArray[np.float64] = np.sort(np.asarray(current, dtype=np.float64))
    points = np.concatenate([before, after])
    shares_before = np.searchsorted(before, points, side="right") / len(before)
    shares_after = np.searchsorted(after, points, side="right") / len(after)
    return float(np.max(np.abs(shares_before - shares_after)))


def ks_by_chance(reference_count: int, current_count: int, chance_ratio: float = CHANCE_RATIO) -> float:
    """Return the distance that two samples of one distribution exceed with probability ``chance_ratio`` at most.

    The first term of Kolmogorov's series; samples with ties come less far (Smirnov 1948).
    """
    return math.sqrt(math.log(2 / chance_ratio) / 2 * (1 / reference_count + 1 / current_count))
