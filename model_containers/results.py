"""Encode RESULT in the container; decode it to JSON text as the frontend does (the oracle of the compiled decoder).

Three forms. A typed tensor: numbers or booleans, one element an item, or with VECTOR a list of them. STRING: UTF-8
text; text that is itself one JSON value is embedded as that value, other text becomes a JSON string (the rule
of the original system). JSON: text that must be one JSON value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from model_containers import wire
from model_containers.codec import (
    NUMPY_DTYPES,
    Array,
    Frame,
    Header,
    WireError,
    check_frame_count,
    decode_offsets,
    encode_header,
    encode_offsets,
)
from model_containers.wire import DType, Flag, MessageType, WireStatus

FAILED_ELEMENT_CAUSE: Final = "the model marked this item as failed"
NOT_FINITE_CAUSE: Final = "the model returned NaN or infinity, which JSON cannot hold"


class EncodedOutputs(NamedTuple):
    """The outputs of a batch, ready for the wire."""

    dtype: int
    flags: int
    elements_per_item: int
    frames: tuple[Any, ...]  # anything with the buffer interface: a typed tensor leaves without a copy


class ItemResult(NamedTuple):
    """One output as JSON text; of a failed item, its cause as a JSON string."""

    text: bytes
    failed: bool


_VECTOR: Final = int(Flag.VECTOR)  # a plain integer for the hot path
DTYPES_OF_NUMPY: Final = {
    NUMPY_DTYPES[dtype]: int(dtype) for dtype in wire.RESULT_DTYPES if dtype not in wire.TEXT_DTYPES
}


def encode_array(array: Array, dtype: int) -> EncodedOutputs:
    """Prepare a contiguous array of shape (batch,) or (batch, dim); ``dtype`` is its entry in ``DTYPES_OF_NUMPY``."""
    if array.ndim == 1:
        return EncodedOutputs(dtype, 0, 1, (array,))
    return EncodedOutputs(dtype, _VECTOR, array.shape[1], (array,))


def encode_texts(dtype: DType, texts: Sequence[bytes], failed: Sequence[bool]) -> EncodedOutputs:
    """Prepare text outputs; the text of a failed item is its cause."""
    frames: tuple[bytes, ...] = (encode_offsets(texts), b"".join(texts))
    if not any(failed):
        return EncodedOutputs(dtype, int(Flag.RAGGED), 0, frames)
    return EncodedOutputs(dtype, int(Flag.RAGGED | Flag.FAILED_ITEMS), 0, (bytes(failed), *frames))


def encode_result(outputs: EncodedOutputs, item_count: int, batch_id: int, compute_us: int) -> list[Any]:
    """Build the frames of one RESULT."""
    header = encode_header(
        MessageType.RESULT,
        dtype=outputs.dtype,
        flags=outputs.flags,
        item_count=item_count,
        batch_id=batch_id,
        elements_per_item=outputs.elements_per_item,
        compute_us=compute_us,
    )
    return [header, *outputs.frames]


# -- the frontend's side: the oracle -----------------------------------------------------------------------------


def decode_result(header: Header, frames: Sequence[Frame], expected_count: int) -> list[ItemResult]:
    """Decode one RESULT to JSON text; the checks come in the order of ``WireStatus``.

    Raises
    ------
    WireError
        If the frames are not what the header promises, or the count is not the batch's.
    """
    if header.type != MessageType.RESULT:
        raise WireError(WireStatus.BAD_TYPE, f"{MessageType(header.type).name} is not RESULT")
    if header.dtype not in wire.RESULT_DTYPES:
        raise WireError(WireStatus.BAD_DTYPE, f"outputs of dtype {DType(header.dtype).name}")
    is_text, ragged = header.dtype in wire.TEXT_DTYPES, bool(header.flags & Flag.RAGGED)
    vector = bool(header.flags & Flag.VECTOR)
    if (is_text and (vector or not ragged)) or (not is_text and ragged and not vector):
        raise WireError(WireStatus.BAD_FLAGS, f"flags {header.flags:#x} with dtype {DType(header.dtype).name}")
    if header.item_count != expected_count:
        raise WireError(WireStatus.BAD_COUNT, f"{header.item_count} outputs for {expected_count} inputs")
    has_status = bool(header.flags & Flag.FAILED_ITEMS)
    check_frame_count(frames, 1 + ragged + has_status)
    if has_status and len(frames[0]) != header.item_count:
        raise WireError(WireStatus.BAD_LENGTH, f"status frame of {len(frames[0])} bytes, {header.item_count} items")
    failed = bytes(frames[0]) if has_status else bytes(header.item_count)
    payload = bytes(frames[-1])
    if ragged:
        offsets = decode_offsets(frames[-2], header, len(payload))
    else:
        offsets = _uniform_offsets(header, len(payload), vector)
    render = _text_renderer(header.dtype) if is_text else _element_renderer(header.dtype, vector)
    return [
        render(payload[start:stop], bool(bad)) for start, stop, bad in zip(offsets, offsets[1:], failed, strict=False)
    ]


def _uniform_offsets(header: Header, payload_bytes: int, vector: bool) -> tuple[int, ...]:
    item_bytes = header.elements_per_item * wire.DTYPE_BYTES[DType(header.dtype)]
    if payload_bytes != header.item_count * item_bytes or (not vector and header.elements_per_item != 1):
        raise WireError(WireStatus.BAD_LENGTH, f"payload of {payload_bytes} bytes, {header.item_count} x {item_bytes}")
    return tuple(range(0, payload_bytes + 1, item_bytes)) if item_bytes else (0,) * (header.item_count + 1)


def _element_renderer(dtype: int, vector: bool) -> Callable[[bytes, bool], ItemResult]:
    def render(item: bytes, failed: bool) -> ItemResult:
        if failed:
            return ItemResult(json_string(FAILED_ELEMENT_CAUSE), True)
        elements = np.frombuffer(item, np.uint8 if dtype == DType.BOOL else NUMPY_DTYPES[dtype])
        if elements.dtype.kind == "f" and not np.isfinite(elements).all():
            return ItemResult(json_string(NOT_FINITE_CAUSE), True)
        texts = [number_text(dtype, element) for element in elements]
        return ItemResult(("[" + ",".join(texts) + "]" if vector else texts[0]).encode(), False)

    return render


def number_text(dtype: int, element: Any) -> str:
    """Render one element: the shortest text that reads back as the same value, written as Python's ``repr`` does."""
    if dtype == DType.BOOL:
        return "true" if element else "false"
    if dtype == DType.FLOAT32:  # numpy finds the shortest digits for 32 bits; repr of the same digits lays them out
        return repr(float(str(element)))
    return repr(float(element)) if dtype == DType.FLOAT64 else repr(int(element))


def _text_renderer(dtype: int) -> Callable[[bytes, bool], ItemResult]:
    def render(item: bytes, failed: bool) -> ItemResult:
        try:
            text = item.decode()
        except UnicodeDecodeError as error:
            raise WireError(WireStatus.BAD_TEXT, f"an output is not UTF-8: {error.reason}") from None
        if failed:
            return ItemResult(json_string(text), True)
        if is_json(text):
            return ItemResult(item, False)
        if dtype == DType.JSON:
            raise WireError(WireStatus.BAD_JSON, f"an output is not one JSON value: {text[:40]!r}")
        return ItemResult(json_string(text), False)

    return render


def json_string(text: str) -> bytes:
    """Return the text as a JSON string in UTF-8."""
    return json.dumps(text, ensure_ascii=False).encode()


def is_json(text: str) -> bool:
    """Is the text exactly one JSON value (RFC 8259), nested no deeper than ``MAX_JSON_DEPTH``?"""
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_int=len, parse_float=len, object_pairs_hook=_values
        )
    except (ValueError, RecursionError):
        return False
    return _depth(value) <= wire.MAX_JSON_DEPTH


def _values(pairs: list[tuple[str, object]]) -> list[object]:
    """Keep every value of an object, also under a key that comes twice."""
    return [value for _, value in pairs]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: object) -> int:
    """Nesting depth of lists, without recursion."""
    deepest, stack = 0, [(value, 1)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, list):
            deepest = max(deepest, depth)
            stack.extend((child, depth + 1) for child in node)
    return deepest
