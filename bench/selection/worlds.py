"""Worlds to choose models in: what each model answers to each query, all of it drawn beforehand from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Errors of the five Caffe models on CIFAR-10 (Crankshaw et al., NSDI 2017, table 2, figure 7).
PAPER_ERRORS = (0.46, 0.3461, 0.2425, 0.168, 0.0915)
# Figure 8 does not state the error of the degraded model; this is the value that the project's goals assume.
DEGRADED_ERROR = 0.9
CLASSES = 10


@dataclass(frozen=True)
class World:
    """A sequence of queries.

    Parameters
    ----------
    outputs : ndarray, shape (queries, models)
        Class that each model gives.
    labels : ndarray, shape (queries,)
    rates : ndarray, shape (queries, models)
        Error rate of each model at each query.
    """

    outputs: Ints
    labels: Ints
    rates: Floats

    @property
    def losses(self) -> Floats:
        """0/1 losses, shape (queries, models)."""
        wrong: Floats = (self.outputs != self.labels[:, None]).astype(np.float64)
        return wrong

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(f"model-{index + 1}:1" for index in range(self.outputs.shape[1]))


def world_of(rates: Floats, seed: int, correlation: float = 0.0, common_mistakes: float = 0.0) -> World:
    """Draw a world.

    Parameters
    ----------
    rates : ndarray, shape (queries, models)
    seed : int
    correlation : float
        Share of queries whose difficulty is common to all models: there a model errs if and only if a number drawn
        once for the query is below its rate, so a worse model errs wherever a better one does.
    common_mistakes : float
        Share of queries at which all models that err give the same wrong class.
    """
    rng = np.random.default_rng([20170327, seed])
    queries, models = rates.shape
    labels: Ints = rng.integers(0, CLASSES, (queries,))
    draws: Floats = rng.random((queries, models))
    common = rng.random((queries,)) < correlation
    draws[common] = rng.random((queries,))[common, None]
    offsets: Ints = rng.integers(1, CLASSES, (queries, models))
    same = rng.random((queries,)) < common_mistakes
    offsets[same] = rng.integers(1, CLASSES, (queries,))[same, None]
    wrong = draws < rates
    outputs: Ints = np.where(wrong, (labels[:, None] + offsets) % CLASSES, labels[:, None])
    return World(outputs, labels, rates)


def figure8_rates(queries: int = 20_000, begin: int = 5_000, end: int = 10_000) -> Floats:
    """Return the error rates of figure 8: the best model fails from one query to another."""
    rates = np.tile(np.array(PAPER_ERRORS), (queries, 1))
    rates[begin:end, -1] = DEGRADED_ERROR
    return rates


def steady_rates(errors: Sequence[float], queries: int) -> Floats:
    """Return error rates that never change."""
    return np.tile(np.array(errors), (queries, 1))


def switching_rates(errors: Sequence[float], queries: int, every: int) -> Floats:
    """Return error rates that move on to the next model every so many queries."""
    rates = np.empty((queries, len(errors)))
    for begin in range(0, queries, every):
        rates[begin : begin + every] = np.roll(errors, begin // every)
    return rates


def constrained_adversary_rates(gap: float, models: int, queries: int) -> Floats:
    """Return error rates whose gaps stay the same while all of them jump between low and high.

    The stochastically constrained adversary of Zimmert and Seldin (JMLR 22(28), 2021, section 6): phases grow by 1.6,
    the first model is better by the gap throughout; who averages over phases is misled.
    """
    rates = np.empty((queries, models))
    begin, length, is_low = 0, 1.0, True
    while begin < queries:
        end = min(queries, begin + max(1, round(length)))
        rates[begin:end] = gap if is_low else 1.0
        rates[begin:end, 0] = 0.0 if is_low else 1.0 - gap
        begin, length, is_low = end, length * 1.6, not is_low
    return rates
