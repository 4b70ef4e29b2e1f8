"""The direct model of the doubly robust estimator: which reward an arm would give, from arm, context and features.

It predicts each block of the log from the blocks before it, and then learns it ("progressive validation"). So what it
expects of a query never depends on that query's draw, and the doubly robust estimate stays unbiased however wrong the
model is; also on logs whose own policy was learning, where cross-fitting on shuffled folds would not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipper.evaluation.estimates import Vector

Matrix = NDArray[np.float64]

FIRST_BLOCK: Final = 16
MAX_BLOCKS: Final = 100
KEPT_RATIO: Final = 0.9
"""What remains of an arm's mean a block later: a memory of about a tenth of the log, since models and data drift."""
PRIOR_QUERIES: Final = 5.0
"""Weight of "like all queries of this arm" against a context's own queries."""
PRIOR_REWARD: Final = 0.5
MAX_MODEL_FEATURES: Final = 256
"""Longer rows of features are projected to this length (Johnson and Lindenstrauss)."""
_PROJECTION_SEED: Final = 396


def predict_rewards(rewards: Matrix, contexts: NDArray[np.int64], features: Matrix | None) -> Matrix:
    """Return the expected reward of each arm for each query, from the queries before its block.

    Parameters
    ----------
    rewards : ndarray, shape (n, arms)
        NaN where a reward is not known.
    contexts : ndarray, shape (n,)
        Number of each query's context; -1 for none.
    features : ndarray, shape (n, d), optional

    Returns
    -------
    ndarray, shape (n, arms), within [0, 1]
    """
    if features is not None:
        features = _projected(features)
    model = _Running(rewards.shape[1], int(contexts.max(initial=-1)) + 1, 0 if features is None else features.shape[1])
    expected = np.empty_like(rewards)
    for begin, end in _blocks(len(rewards)):
        x = None if features is None else features[begin:end]
        expected[begin:end] = model.predict(contexts[begin:end], x)
        model.learn(rewards[begin:end], contexts[begin:end], x)
    return expected


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of blocks that double up to a hundredth of the log."""
    largest = max(FIRST_BLOCK, -(-count // MAX_BLOCKS))
    begin, size = 0, FIRST_BLOCK
    while begin < count:
        yield begin, min(begin + size, count)
        begin += size
        size = min(size * 2, largest)


def _projected(features: Matrix) -> Matrix:
    if features.shape[1] <= MAX_MODEL_FEATURES:
        return features
    rng = np.random.default_rng(_PROJECTION_SEED)
    return features @ rng.normal(0.0, MAX_MODEL_FEATURES**-0.5, (features.shape[1], MAX_MODEL_FEATURES))


class _Running:
    """A mean for each arm; what a context is above it, shrunk; a ridge regression of the rest on the features."""

    def __init__(self, arms: int, contexts: int, dimension: int) -> None:
        self._sum: Vector = np.zeros(arms)
        self._count: Vector = np.zeros(arms)
        self._context_sum: Matrix = np.zeros((contexts, arms))
        self._context_count: Matrix = np.zeros((contexts, arms))
        self._gram: NDArray[np.float64] = np.zeros((arms, dimension + 1, dimension + 1))
        self._moment: Matrix = np.zeros((arms, dimension + 1))
        self._coefficients: Matrix = np.zeros((arms, dimension + 1))

    def predict(self, contexts: NDArray[np.int64], features: Matrix | None) -> Matrix:
        """Return the expected rewards, shape (n, arms)."""
        expected = self._base(contexts)
        if features is not None:
            expected = expected + _with_one(features) @ self._coefficients.T
        clipped: Matrix = np.clip(expected, 0.0, 1.0)
        return clipped

    def learn(self, rewards: Matrix, contexts: NDArray[np.int64], features: Matrix | None) -> None:
        """Take a block."""
        known = ~np.isnan(rewards)
        values = np.where(known, rewards, 0.0)
        self._sum = KEPT_RATIO * self._sum + values.sum(axis=0)
        self._count = KEPT_RATIO * self._count + known.sum(axis=0)
        above = np.where(known, rewards - self._means(), 0.0)
        mine = contexts >= 0
        np.add.at(self._context_sum, contexts[mine], above[mine])
        np.add.at(self._context_count, contexts[mine], known[mine].astype(np.float64))
        if features is not None:
            self._regress(np.where(known, rewards - self._base(contexts), 0.0), known, _with_one(features))

    def _means(self) -> Vector:
        total = (self._sum.sum() + PRIOR_REWARD * PRIOR_QUERIES) / (self._count.sum() + PRIOR_QUERIES)
        means: Vector = (self._sum + PRIOR_QUERIES * total) / (self._count + PRIOR_QUERIES)
        return means

    def _base(self, contexts: NDArray[np.int64]) -> Matrix:
        base: Matrix = np.broadcast_to(self._means(), (len(contexts), len(self._sum))).copy()
        mine = contexts >= 0
        if mine.any():
            number = contexts[mine]
            base[mine] += self._context_sum[number] / (self._context_count[number] + PRIOR_QUERIES)
        return base

    def _regress(self, rest: Matrix, known: NDArray[np.bool_], x: Matrix) -> None:
        for arm in range(len(self._sum)):
            of_arm = x[known[:, arm]]
            self._gram[arm] += of_arm.T @ of_arm
            self._moment[arm] += of_arm.T @ rest[known[:, arm], arm]
            gram = self._gram[arm]
            count = gram[-1, -1]
            if count > 0:
                # As if there were that many more queries, of this scale and without an effect.
                ridge = PRIOR_QUERIES * (np.trace(gram) / count / len(gram))
                self._coefficients[arm] = np.linalg.solve(gram + ridge * np.eye(len(gram)), self._moment[arm])


def _with_one(features: Matrix) -> Matrix:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)
