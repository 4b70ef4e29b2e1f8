"""How probable it is that an arm is the best, given what is believed of each: Thompson's rule without samples.

Drawing M samples a plan would make a plan depend on chance, and on M; one integral over the rewards costs less than a
thousand samples, and the same state always gives the same plan.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Where an arm's density is looked at, in standard deviations from its mean: dense in the middle, with a tail for the
# skewed densities of arms that nearly always fail.
_POINTS: Final = np.concatenate([np.linspace(-9.0, -4.5, 7), np.linspace(-4.0, 4.0, 33), np.linspace(4.5, 14.0, 11)])
_EDGE: Final = 1e-15
_NODES: Final = 24


def best_of_betas(alphas: Floats, betas: Floats) -> Floats:
    """Return the probability of being the largest for independent Beta(alpha, beta), all parameters at least 1."""
    totals = alphas + betas
    means = alphas / totals
    deviations = np.sqrt(means * (1.0 - means) / (totals + 1.0))
    grid = np.clip(_grid(means, deviations), _EDGE, 1.0 - _EDGE)
    logs = np.outer(alphas - 1.0, np.log(grid)) + np.outer(betas - 1.0, np.log1p(-grid))
    return _best(grid, logs)


def best_of_normals(means: Floats, deviations: Floats) -> Floats:
    """Return the probability of being the largest for independent normal variables."""
    grid = _grid(means, deviations)
    logs = -0.5 * np.square((grid - means[:, None]) / deviations[:, None])
    return _best(grid, logs)


def _grid(means: Floats, deviations: Floats) -> Floats:
    """Return all points at which any of the densities is interesting, in order."""
    return np.sort((means[:, None] + deviations[:, None] * _POINTS).ravel())


def _best(grid: Floats, logs: Floats) -> Floats:
    """Integrate: sum over cells of the mass of one arm times the mass of each other arm below the cell."""
    densities = np.exp(logs - logs.max(axis=1, keepdims=True))
    masses = (densities[:, 1:] + densities[:, :-1]) * np.diff(grid)
    masses /= masses.sum(axis=1, keepdims=True)
    below = np.log(np.maximum(np.cumsum(masses, axis=1) - 0.5 * masses, 1e-300))
    best: Floats = (masses * np.exp(below.sum(axis=0) - below)).sum(axis=1)
    best /= best.sum()
    return best


def best_of_normal_rows(means: Floats, deviations: Floats) -> Floats:
    """Return the same for many queries at once, by Gauss-Hermite quadrature; good to about a percent.

    Parameters
    ----------
    means, deviations : ndarray, shape (n, arms)
        Deviations are above 0.

    Returns
    -------
    ndarray, shape (n, arms)
        Rows add up to 1.
    """
    nodes, weights = _hermite()
    values = means[:, :, None] + deviations[:, :, None] * nodes  # (n, arm, node)
    logs = np.zeros_like(values)
    arms = means.shape[1]
    for other in range(arms):
        below = normal_cdf((values - means[:, None, other, None]) / deviations[:, None, other, None])
        below[:, other, :] = 1.0
        logs += np.log(np.maximum(below, 1e-300))
    best: Floats = np.exp(logs) @ weights
    total = best.sum(axis=1, keepdims=True)
    # Two arms of which one is much narrower may fall between the nodes; then the larger mean it is.
    certain = (means == means.max(axis=1, keepdims=True)).astype(np.float64)
    best = np.where(total > 1e-6, best, certain)
    best /= best.sum(axis=1, keepdims=True)
    return best


def normal_cdf(values: Floats) -> Floats:
    """Return the normal distribution function; Abramowitz and Stegun 26.2.17, off by at most 7.5e-8."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(values))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = np.exp(-0.5 * np.square(np.clip(values, -38.0, 38.0))) * (0.3989422804014327 * series)
    result: Floats = np.where(values >= 0, 1.0 - upper, upper)
    return result


@cache
def _hermite() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, weights / weights.sum()
