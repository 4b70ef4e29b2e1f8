"""All models by name, and the endpoints that servers written in Python make of them.

The harness says by its environment which are to be served (`BENCH_SERVES`) and where their files lie (`BENCH_MODELS`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.subjects.servers import image_model, linear_model, network_model, text_model, trees_model

Predict = Callable[[Any], list[Any]]


def load(name: str, directory: Path) -> Predict:
    """Return a model: a batch of inputs to a list of outputs, each a JSON value."""
    if name == "noop":
        return first_numbers
    if name == "linear":
        return _linear(directory)
    return LOADERS[name](directory)


def first_numbers(inputs: Any) -> list[Any]:
    """Answer each input with its first number: the model of NOOP."""
    return [numbers[0] for numbers in inputs]


def _linear(directory: Path) -> Predict:
    model = linear_model.load(str(directory / linear_model.FILE))

    def predict(numbers: Any) -> list[Any]:
        labels: list[Any] = model.predict(np.asarray(numbers)).tolist()
        return labels

    return predict


LOADERS: dict[str, Callable[[Path], Predict]] = {
    "image": image_model.load,
    "text": text_model.load,
    "trees": trees_model.load,
    "network": network_model.load,
}


@dataclass(frozen=True)
class Endpoint:
    """One route of a server.

    Parameters
    ----------
    dtype : str, optional
        What the numbers of an input become; None: it is left as JSON gave it.
    raw_shape : tuple of int, optional
        The body is the bytes of one input of this shape; None: it is `{"input": ...}`.
    """

    name: str
    predict: Predict
    dtype: str | None = None
    raw_shape: tuple[int, ...] | None = None

    def decode(self, body: bytes, loads: Callable[[bytes], Any]) -> Any:
        """Return the input that stands in a body; raw ones without a copy."""
        if self.raw_shape is None:
            return loads(body)["input"]
        return np.frombuffer(body, self.dtype).reshape(self.raw_shape)

    def answer(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the outputs of a batch."""
        return self.predict(inputs if self.dtype is None else np.asarray(inputs, self.dtype))


# How the inputs of each route arrive; its model has the route's name but for LINEAR's second form.
DTYPES = {"linear": "<f8", "linear-binary": "<f8", "image": "<f4", "trees": "<f4", "network": "<f4"}
RAW_SHAPES: dict[str, tuple[int, ...]] = {"linear-binary": (784,), "image": image_model.SHAPE}


def load_endpoint(name: str) -> Endpoint:
    """Return the endpoint of a route."""
    predict = load(name.removesuffix("-binary"), Path(os.environ["BENCH_MODELS"]))
    return Endpoint(name, predict, DTYPES.get(name), RAW_SHAPES.get(name))


def served_names() -> list[str]:
    """Return the routes that are to be served."""
    return os.environ["BENCH_SERVES"].split(",")


def load_endpoints() -> dict[str, Endpoint]:
    """Return every endpoint that is to be served, by the name of its route."""
    return {name: load_endpoint(name) for name in served_names()}
