"""`ClipperConnection.test_predict_function`: what a container would do with a function, without a container."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Final

import cloudpickle  # type: ignore[import-untyped]  # it ships no types
import numpy as np

_BAD_KEY: Final = "Invalid input type or JSON key"
_BAD_TYPE: Final = "Invalid input type"
_NOT_RELOADED: Final = "Function does not properly serialize and reload"
# input type -> the type of one element in the query, and in what the function gets
_ELEMENTS: Final[dict[str, tuple[type, Any]]] = {
    "bytes": (bytes, np.int8),
    "integers": (int, np.int32),
    "floats": (float, np.float32),
    "doubles": (float, np.float64),
    "string": (str, np.str_),
    "strings": (str, np.str_),
}


def check_predict_function(query: dict[str, Any], func: Callable[[Any], Any], input_type: str) -> Any:
    """Return what ``func`` says to a query, after a way through a pickle.

    Returns
    -------
    outputs : object
        What the function returned; or, as in the original, one of three texts that say why it was not called.
    """
    inputs = query.get("input_batch", [query["input"]] if "input" in query else None)
    if inputs is None or not isinstance(inputs, list | tuple):
        return _BAD_KEY
    if input_type not in _ELEMENTS:
        return _BAD_TYPE
    kind, dtype = _ELEMENTS[input_type]
    try:
        if not all(type(element) is kind for one in inputs for element in _elements(one)):
            return _BAD_TYPE
    except TypeError:
        return _BAD_KEY
    try:
        reloaded = pickle.loads(cloudpickle.dumps(func))
    except Exception:  # noqa: BLE001 - whatever it raises, that is the answer
        return _NOT_RELOADED
    return reloaded([_to_array(one, dtype) for one in inputs])


def _elements(one: Any) -> Any:
    """Return the elements of an input; a string, and one sequence of bytes, is its own only element."""
    return [one] if isinstance(one, str | bytes) else one


def _to_array(one: Any, dtype: Any) -> Any:
    if isinstance(one, str):
        return one
    if isinstance(one, bytes):
        return np.frombuffer(one, dtype)
    return np.array(list(one), dtype) if dtype is not np.int8 else [np.frombuffer(part, dtype) for part in one]
