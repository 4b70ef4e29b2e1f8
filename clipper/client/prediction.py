"""One query's input and answer, between Python and the JSON of the query API."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one query.

    ``is_default`` tells that no model answered in time; ``default_explanation`` says why. In a batch of an application
    that answers misses with errors, ``error`` is the stable code of what went wrong with this one, ``cause`` says it in
    words, and there is no output. ``missing`` names the models of an ensemble whose outputs are not in the answer; the
    share of the models that stand behind it is its ``confidence``.
    """

    query_id: int
    output: Any
    is_default: bool
    default_explanation: str = ""
    model: str = ""
    confidence: float | None = None
    error: str = ""
    cause: str = ""
    missing: tuple[str, ...] = ()


def to_json(value: Any) -> Any:
    """Return one input as the query API takes it: arrays as lists, bytes as base64."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    to_list: Callable[[], Any] | None = getattr(value, "tolist", None)  # numpy arrays and scalars, pandas series
    return value if to_list is None else to_list()


def to_plain(value: Any) -> Any:
    """Return what JSON can hold of a value that it cannot: for ``json.dumps(..., default=to_plain)``."""
    plain = to_json(value)
    if plain is value:
        raise TypeError(f"{value!r:.200} is a {type(value).__qualname__}")
    return plain


def to_rows(inputs: Any) -> Any:
    """Return the inputs of a batch one by one; iterating a table of pandas would give its columns' names."""
    to_array: Callable[[], Any] | None = getattr(inputs, "to_numpy", None)
    return inputs if to_array is None else to_array()


def to_prediction(answer: Mapping[str, Any]) -> Prediction:
    """Return the typed form of one answer of the query API."""
    return Prediction(
        query_id=answer["query_id"],
        output=answer.get("output"),
        is_default=answer.get("default", False),
        default_explanation=answer.get("default_explanation", ""),
        model=answer.get("model", ""),
        confidence=answer.get("confidence"),
        error=answer.get("error", ""),
        cause=answer.get("cause", ""),
        missing=tuple(answer.get("missing", ())),
    )
