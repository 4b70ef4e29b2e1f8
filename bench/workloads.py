"""What is asked of every subject: the inputs, and the answers that the model itself gives.

NOOP is four doubles of which the first comes back; LINEAR is 784 doubles (7.1 kB as JSON) for a logistic regression of
ten classes; `bench/zoo` has the others. Inputs are unique by an eight-byte counter, and every answer can be known
beforehand all the same: NOOP answers the counter, and elsewhere the counter stands where it cannot move the answer
(LINEAR's in a feature that is too small to move the class, which is checked here).
"""

from __future__ import annotations

import importlib.util
import struct
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from bench.loadgen.request import Body, CounterForm, RequestTemplate
from bench.subjects.servers import linear_model
from bench.zoo import image, network, text, trees
from bench.zoo.questions import BASE_INPUTS, SEED, Questions

NOOP_DIMENSION = 4
LINEAR_DIMENSION = 784
CLASS_COUNT = 10


class Workload(StrEnum):
    """The kinds of query; the value is the name of a server's route."""

    NOOP = "noop"
    LINEAR = "linear"
    LINEAR_BINARY = "linear-binary"
    IMAGE = "image"
    TEXT = "text"
    TREES = "trees"
    NETWORK = "network"

    @property
    def model(self) -> str:
        """The model that answers it."""
        return "linear" if self is Workload.LINEAR_BINARY else self.value

    @property
    def is_binary(self) -> bool:
        """Whether its input is raw little-endian numbers."""
        return self in BINARY_FORMS


# What the hole of a binary body holds: a double, or two floats that are next to nothing.
BINARY_FORMS = {Workload.LINEAR_BINARY: CounterForm.DOUBLE, Workload.IMAGE: CounterForm.DIGITS}
QUESTIONS: dict[Workload, Callable[[], Questions]] = {
    Workload.IMAGE: image.questions,
    Workload.TEXT: text.questions,
    Workload.TREES: trees.questions,
    Workload.NETWORK: network.questions,
}
SAVERS: dict[Workload, Callable[[Path], None]] = {
    Workload.IMAGE: image.save,
    Workload.TEXT: text.save,
    Workload.TREES: trees.save,
    Workload.NETWORK: network.save,
}
# What is needed here to make a model, and in Clipper's containers, which have this same environment, to serve it.
MODULES_NEEDED = {Workload.TREES: ("lightgbm",), Workload.NETWORK: ("onnx", "onnxruntime")}


@dataclass(frozen=True)
class Part:
    """One application of a mixed row.

    Parameters
    ----------
    share : float
        Its part of all requests.
    slo_us : int
        What its p99 must stay below; Clipper is told, the others have no such setting.
    """

    workload: Workload
    share: float
    slo_us: int


MIX = (
    Part(Workload.NOOP, 0.6, 20_000),
    Part(Workload.TREES, 0.3, 50_000),
    Part(Workload.LINEAR, 0.1, 100_000),
)


def mixed_application(part: Part) -> str:
    """Return the name of the application that serves a part with its own objective."""
    return f"mixed-{part.workload.model}"


def missing_module(workload: Workload) -> str | None:
    """Tell why a workload's model cannot be made and served here, and what to install; None if it can."""
    missing = [name for name in MODULES_NEEDED.get(workload, ()) if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"{' and '.join(missing)} not installed: pip install 'clipper[bench]'"


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


def wrap(bodies: Sequence[Body], before: bytes, after: bytes) -> tuple[Body, ...]:
    """Put text before and after each body."""
    return tuple(Body(before + body.before, body.after + after) for body in bodies)


def save_models(directory: Path, linear: LinearModel, workloads: Collection[Workload]) -> None:
    """Write the files of the models that these workloads need, for the servers to load."""
    directory.mkdir(parents=True, exist_ok=True)
    linear.save(directory / linear_model.FILE)
    for workload in workloads:
        if workload in SAVERS:
            SAVERS[workload](directory)


def inputs_around_hole(workload: Workload, linear: LinearModel) -> Sequence[Body]:
    """Return the inputs of a workload alone: JSON values, or raw bytes where it is binary."""
    if workload is Workload.NOOP:
        return noop_array_around_hole()
    if workload is Workload.LINEAR:
        return linear.array_around_hole()
    if workload is Workload.LINEAR_BINARY:
        return linear.bytes_around_hole()
    return QUESTIONS[workload]().bodies


def right_answer(workload: Workload, counter: int, linear: LinearModel) -> Any:
    """Return what the model answers to the request with this counter."""
    if workload is Workload.NOOP:
        return counter + 0.5
    if workload in QUESTIONS:
        return QUESTIONS[workload]().answer(counter)
    return linear.classes[counter % len(linear.classes)]


def json_template(path: str, bodies: tuple[Body, ...]) -> RequestTemplate:
    """Return POST requests of JSON with unique inputs."""
    return RequestTemplate(path, (("Content-Type", "application/json"),), bodies, CounterForm.DIGITS)


def octet_template(path: str, workload: Workload, linear: LinearModel) -> RequestTemplate:
    """Return POST requests whose body is nothing but the numbers of a binary workload."""
    headers = (("Content-Type", "application/octet-stream"),)
    return RequestTemplate(path, headers, tuple(inputs_around_hole(workload, linear)), BINARY_FORMS[workload])
