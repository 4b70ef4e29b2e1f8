"""What is asked of every subject: the inputs, and the answers that the model itself gives.

NOOP is four doubles of which the first comes back; LINEAR is 784 doubles (7.1 kB as JSON) for a logistic regression of
ten classes. Inputs are unique by an eight-byte counter, and every answer can be known beforehand all the same: NOOP
answers the counter, and LINEAR's counter stands in a feature that is too small to move the class (checked here).
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from bench.loadgen.request import Body, CounterForm, RequestTemplate

NOOP_DIMENSION = 4
LINEAR_DIMENSION = 784
CLASS_COUNT = 10
BASE_INPUTS = 16  # different LINEAR inputs, taken in turn, so that the answers differ
SEED = 20_17


class Workload(StrEnum):
    """The three kinds of query."""

    NOOP = "noop"
    LINEAR = "linear"
    LINEAR_BINARY = "linear-binary"


@dataclass(frozen=True)
class LinearModel:
    """The fitted classifier, and base inputs whose class does not depend on the counter.

    Parameters
    ----------
    coefficients : ndarray, shape (classes, features), float64
    intercepts : ndarray, shape (classes,), float64
    inputs : ndarray, shape (BASE_INPUTS, features), float64
        Rounded to six decimals; the first feature is the counter's.
    classes : tuple of int
        The model's answer to each of the inputs, whatever the counter.
    """

    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    inputs: NDArray[np.float64]
    classes: tuple[int, ...]

    def save(self, file: Path) -> None:
        """Write what bench/subjects/servers/linear_model.py reads."""
        np.savez(file, coefficients=self.coefficients, intercepts=self.intercepts)

    def array_around_hole(self) -> list[Body]:
        """Return each input as a JSON array whose first number is `0.` and the counter's digits."""
        return [
            Body(b"[0.", ("," + ",".join(f"{value:.6f}" for value in row[1:]) + "]").encode("ascii"))
            for row in self.inputs
        ]

    def bytes_around_hole(self) -> list[Body]:
        """Return each input as little-endian doubles of which the first is the counter's."""
        return [Body(b"", struct.pack(f"<{LINEAR_DIMENSION - 1}d", *row[1:])) for row in self.inputs]


def noop_array_around_hole() -> list[Body]:
    """Return the NOOP input as a JSON array; the counter and a half comes first, and comes back."""
    return [Body(b"[", b".5,2.5,3.5,4.5]")]


@cache
def fit_linear_model() -> LinearModel:
    """Fit the classifier (the same one each time) and choose inputs of which the answer is certain.

    Scores are linear, so a class that wins with the first feature at 0 and at 1 wins everywhere between.
    """
    random = np.random.default_rng(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=20).fit(
            random.random((2_000, LINEAR_DIMENSION)), random.integers(0, CLASS_COUNT, 2_000)
        )
    candidates = np.round(random.random((20 * BASE_INPUTS, LINEAR_DIMENSION)), 6)
    low, high = candidates.copy(), candidates.copy()
    low[:, 0], high[:, 0] = 0.0, 1.0
    at_low, at_high = model.predict(low), model.predict(high)
    certain = np.flatnonzero(at_low == at_high)[:BASE_INPUTS]
    if len(certain) < BASE_INPUTS:
        raise RuntimeError(f"only {len(certain)} of {BASE_INPUTS} inputs have an answer that the counter cannot move")
    return LinearModel(
        coefficients=model.coef_,
        intercepts=model.intercept_,
        inputs=candidates[certain],
        classes=tuple(int(label) for label in at_low[certain]),
    )


def wrap(bodies: list[Body], before: bytes, after: bytes) -> tuple[Body, ...]:
    """Put text before and after each body."""
    return tuple(Body(before + body.before, body.after + after) for body in bodies)


def right_answer(workload: Workload, counter: int, model: LinearModel) -> float:
    """Return what the model answers to the request with this counter."""
    if workload is Workload.NOOP:
        return counter + 0.5
    return model.classes[counter % len(model.classes)]


def json_template(path: str, bodies: tuple[Body, ...]) -> RequestTemplate:
    """Return POST requests of JSON with unique inputs."""
    return RequestTemplate(path, (("Content-Type", "application/json"),), bodies, CounterForm.DIGITS)
