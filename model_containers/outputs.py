"""Turn what ``predict_batch`` returned into one RESULT: a typed tensor where possible, else text an item.

====================================================  =======================================================
returned                                              answer of one item
====================================================  =======================================================
array (batch,), or list of one kind of number         that number, or true / false
array (batch, dim), or list of equal 1-D arrays       a JSON list
array of more dimensions                              nested JSON lists
str                                                   the JSON value that it spells, else a JSON string
bytes                                                 base64, as a JSON string
None, dict, list, ... (what ``json`` takes, numpy     that JSON value
scalars and arrays included)
an exception, such as ``ItemError("cause")``          this item failed, with that cause
====================================================  =======================================================

NaN and infinity, which JSON cannot hold, fail their item alone; so does whatever ``json`` refuses.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model_containers.codec import Array, cut_cause
from model_containers.results import DTYPES_OF_NUMPY, EncodedOutputs, encode_array, encode_texts
from model_containers.wire import DType

_TYPED: Final[dict[type, type]] = {float: np.float64, int: np.int64, bool: np.bool_}


class OutputsError(Exception):
    """``predict_batch`` returned something that is not one output per input."""


def encode_outputs(outputs: Any, item_count: int) -> EncodedOutputs:
    """Encode the outputs of a batch of ``item_count`` inputs.

    Raises
    ------
    OutputsError
        If it is no list or array, or does not hold ``item_count`` outputs.
    """
    if isinstance(outputs, np.ndarray) or (hasattr(outputs, "__array__") and not isinstance(outputs, np.generic)):
        return _encode_array(np.asarray(outputs), item_count)
    if not isinstance(outputs, list | tuple):
        raise OutputsError(f"predict_batch returned {_kind_of(outputs)}, expected a list or array of outputs")
    _check_count(len(outputs), item_count)
    return _encode_list(outputs)


def _check_count(found: int, expected: int) -> None:
    if found != expected:
        raise OutputsError(f"predict_batch returned {found} outputs for {expected} inputs")


def _kind_of(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _encode_array(array: Array, item_count: int) -> EncodedOutputs:
    if array.ndim == 0:
        raise OutputsError("predict_batch returned an array without dimensions, expected one output per input")
    _check_count(len(array), item_count)
    dtype = DTYPES_OF_NUMPY.get(array.dtype)
    if dtype is None:
        array = _with_wire_dtype(array)
        dtype = DTYPES_OF_NUMPY.get(array.dtype)
    if dtype is None or array.ndim > 2:
        return _encode_list(list(array))
    return encode_array(np.ascontiguousarray(array), dtype)


def _with_wire_dtype(array: Array) -> Array:
    """Convert float16, long double and big-endian numbers; other kinds stay as they are and become text."""
    if array.dtype.kind == "f":
        return array.astype("<f4" if array.dtype.itemsize <= 4 else "<f8")
    return array.astype(array.dtype.newbyteorder("<")) if array.dtype.kind in "iu" else array


def _encode_list(outputs: Sequence[Any]) -> EncodedOutputs:
    kinds = set(map(type, outputs))
    if len(kinds) == 1:
        array = _as_typed_array(kinds.pop(), outputs)
        if array is not None:
            return encode_array(array, DTYPES_OF_NUMPY[array.dtype])
    embeds_text = any(isinstance(output, str) for output in outputs)
    items = [_encode_item(output) for output in outputs]
    texts, failed = [text for text, _ in items], [bad for _, bad in items]
    return encode_texts(DType.STRING if embeds_text else DType.JSON, texts, failed)


def _as_typed_array(kind: type, outputs: Sequence[Any]) -> Array | None:
    """Return the outputs, all of one type, as one array; None if they are not numbers or do not fit together."""
    if kind in _TYPED:
        try:
            return np.array(outputs, _TYPED[kind])
        except OverflowError:  # an int beyond 64 bits: JSON can hold it
            return None
    if issubclass(kind, np.ndarray):
        uniform = len({(output.shape, output.dtype) for output in outputs}) == 1 and outputs[0].ndim == 1
    else:
        uniform = issubclass(kind, np.generic)
    if not uniform:
        return None
    array = _with_wire_dtype(np.ascontiguousarray(outputs))
    return array if array.dtype in DTYPES_OF_NUMPY else None


def _encode_item(output: Any) -> tuple[bytes, bool]:
    """Return the item's text, or its cause and True if it failed."""
    try:
        if isinstance(output, BaseException):
            return cut_cause(str(output) or type(output).__name__), True
        if isinstance(output, str):
            return output.encode(), False
        text = json.dumps(output, default=_to_jsonable, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode(), False
    except (TypeError, ValueError, RecursionError) as error:
        return cut_cause(f"the model's output cannot be written as JSON: {error}"), True


def _to_jsonable(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, np.generic | np.ndarray):
        if value.dtype.kind == "f" and value.dtype.itemsize < 8:  # shortest digits of its own width, as typed outputs
            return np.array([float(str(one)) for one in value.ravel()]).reshape(value.shape).tolist()
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
