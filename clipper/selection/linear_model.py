"""A ridge regression of the reward on a query's features, one for each arm, as JSON can hold it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from clipper.errors import InvalidArgumentError
from clipper.selection.policy import Choices

Floats = npt.NDArray[np.float64]

# Features beyond this are projected to as many: a fold and a plan cost its square and cube, and the plan travels.
MAX_FULL_FEATURES: Final = 64
MAX_FEATURES: Final = 1024
_PROJECTION_SEED: Final = 20_170_327
_KEPT_DECODED: Final = 256


def encoded(values: Floats) -> str:
    """Return little-endian doubles as base64: a list of digits costs twice the bytes and ten times the time."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode("ascii")


def decoded(text: str, *shape: int) -> Floats:
    """Return a writable array of what `encoded` made."""
    return np.frombuffer(bytearray(base64.b64decode(text)), dtype="<f8").reshape(shape)


@lru_cache(_KEPT_DECODED)
def _decoded_once(text: str, shape: tuple[int, ...]) -> Floats:
    """Return the same read-only: plans are read at every turn of the loop, and change 50 times a second at most."""
    array = decoded(text, *shape)
    array.setflags(write=False)
    return array


@lru_cache(8)
def _projection(features: int) -> Floats:
    """Return a matrix of shape (features, MAX_FULL_FEATURES) that keeps distances (Johnson and Lindenstrauss, 1984)."""
    rng = np.random.default_rng([_PROJECTION_SEED, features])
    matrix: Floats = rng.standard_normal((features, MAX_FULL_FEATURES)) / np.sqrt(MAX_FULL_FEATURES)
    matrix.setflags(write=False)
    return matrix


def columns(features: int) -> int:
    """Return the number of coefficients for so many features, with the constant."""
    return min(features, MAX_FULL_FEATURES) + 1


def rows_of(features: Floats) -> Floats:
    """Return features, shape (n, d), as rows of the regression, shape (n, columns(d)): projected, with a constant."""
    if features.shape[1] > MAX_FULL_FEATURES:
        features = features @ _projection(features.shape[1])
    return np.concatenate([features, np.ones((features.shape[0], 1))], axis=1)


def empty_model(size: int) -> dict[str, str]:
    """Return the sums of an arm without observations: of x x' and of reward times x."""
    return {"gram": encoded(np.zeros((size, size))), "moment": encoded(np.zeros(size))}


def fold(model: Mapping[str, str], row: Floats, reward: float, discount: float) -> dict[str, str]:
    """Return the sums with one more observation."""
    size = len(row)
    gram, moment = decoded(model["gram"], size, size), decoded(model["moment"], size)
    if discount < 1.0:
        gram *= discount
        moment *= discount
    gram += np.outer(row, row)
    moment += reward * row
    return {"gram": encoded(gram), "moment": encoded(moment)}


def scaled(model: Mapping[str, str], factor: float) -> dict[str, str]:
    """Return the sums as if each observation counted ``factor`` times."""
    return {name: encoded(factor * np.frombuffer(base64.b64decode(text), dtype="<f8")) for name, text in model.items()}


def average(models: Sequence[Mapping[str, str]], strength: float) -> dict[str, str]:
    """Return the mean of sums, which then counts for at most ``strength`` observations."""
    total = {
        name: np.sum([np.frombuffer(base64.b64decode(model[name]), dtype="<f8") for model in models], axis=0)
        for name in models[0]
    }
    count = float(total["gram"][-1])  # of the constant with itself: observations
    factor = 1.0 / len(models) if count <= strength * len(models) else strength / count
    return {name: encoded(factor * values) for name, values in total.items()}


def solved(models: Sequence[Mapping[str, str]], size: int, ridge: float) -> tuple[Floats, Floats]:
    """Return coefficients, shape (arms, size), and the inverses of x x' + ridge, shape (arms, size, size)."""
    grams = np.stack([decoded(model["gram"], size, size) for model in models]) + ridge * np.eye(size)
    moments = np.stack([decoded(model["moment"], size) for model in models])
    inverses = np.linalg.inv(grams)
    # Rounding makes an inverse a little askew; a quadratic form of it must not come out below 0.
    inverses = 0.5 * (inverses + inverses.transpose(0, 2, 1))
    return np.einsum("kij,kj->ki", inverses, moments), inverses


def scores(parameters: Mapping[str, Any], features: Floats) -> tuple[Floats, Floats]:
    """Return the expected reward of each arm for each query and its standard error, both of shape (n, arms).

    Raises
    ------
    InvalidArgumentError
        If the queries have another number of features than what was learned from.
    """
    expected, arms = int(parameters["features"]), int(parameters["arms"])
    if features.ndim != 2 or features.shape[1] != expected:
        raise InvalidArgumentError(f"features have shape {features.shape}; expected (queries, {expected})")
    size = columns(expected)
    rows = rows_of(features)
    coefficients = _decoded_once(parameters["coefficients"], (arms, size))
    inverses = _decoded_once(parameters["inverses"], (arms, size, size))
    variances = np.einsum("ni,kij,nj->nk", rows, inverses, rows, optimize=True)
    return rows @ coefficients.T, np.sqrt(np.maximum(variances, 1e-18))


def drawn_rows(probabilities: Floats, floor: float, rng: np.random.Generator) -> Choices:
    """Draw an arm for each row of probabilities, after mixing in the floor; return arms and propensities."""
    count, arms = probabilities.shape
    floor = min(floor, 1.0 / arms)
    mixed = floor + (1.0 - floor * arms) * probabilities
    cumulated = np.cumsum(mixed, axis=1)
    draws = rng.random(count) * cumulated[:, -1]
    # An arm without a part of [0, 1) is never drawn: draws are below the last sum, and equal none of them from below.
    chosen = (cumulated <= draws[:, None]).sum(axis=1).astype(np.int64)
    propensities: Floats = mixed[np.arange(count), chosen] / cumulated[:, -1]
    return chosen, propensities
