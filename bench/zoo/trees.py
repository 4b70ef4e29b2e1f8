"""TREES: gradient-boosted trees, 100 of at most 31 leaves on 28 numbers (about 250 bytes as JSON), by LightGBM."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.subjects.servers import trees_model
from bench.zoo.questions import BASE_INPUTS, SEED, Questions, number_arrays

ROWS = 3_000
TREE_COUNT = 100
LEAF_COUNT = 31
CERTAIN_BY = 0.2  # how far from one half the score of an input is that we ask


@cache
def _booster() -> Any:
    """Fit the same trees each time. The first number is the counter's: it was constant, so no tree looks at it."""
    import lightgbm

    random = np.random.default_rng(SEED)
    numbers = _rounded(random.normal(size=(ROWS, trees_model.DIMENSION)))
    labels = (numbers[:, 1] * numbers[:, 2] + np.sin(2 * numbers[:, 3]) + numbers[:, 4:8].sum(axis=1) > 0).astype(int)
    parameters = {
        "objective": "binary",
        "num_leaves": LEAF_COUNT,
        "num_threads": 1,
        "verbose": -1,
        "seed": SEED,
        "deterministic": True,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lightgbm.train(parameters, lightgbm.Dataset(numbers, labels), num_boost_round=TREE_COUNT)


def _rounded(numbers: Any) -> Any:
    rounded = np.round(numbers, 4)
    rounded[:, 0] = 0.0
    return rounded


def save(directory: Path) -> None:
    """Write what bench/subjects/servers/trees_model.py reads."""
    _booster().save_model(str(directory / trees_model.FILE))


@cache
def questions() -> Questions:
    """Return inputs whose class is certain, in single precision, too."""
    numbers = _rounded(np.random.default_rng(SEED + 1).normal(size=(40 * BASE_INPUTS, trees_model.DIMENSION)))
    scores, single = (np.asarray(_booster().predict(given)) for given in (numbers, numbers.astype(np.float32)))
    is_certain = (np.abs(scores - 0.5) > CERTAIN_BY) & (np.abs(scores - single) < CERTAIN_BY / 2)
    certain = np.flatnonzero(is_certain)[:BASE_INPUTS]
    if len(certain) < BASE_INPUTS:
        raise RuntimeError(f"only {len(certain)} of {BASE_INPUTS} inputs have an answer that is certain")
    answers = tuple(int(score > 0.5) for score in scores[certain])
    return Questions(number_arrays(numbers[certain], digits=4), answers)
