"""The body parser once more, as plainly as can be: the oracle of ``clipper/_core/predict_body.hpp``.

It builds on the ``json`` module and exact fractions and knows nothing of how the compiled parser works; the rules it
follows are those listed at the top of that header. Slow, and meant to be read.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

MAX_SLO_US = 2**53 - 1
MIN_DEPTH_LIMIT, DEPTH_CEILING = 64, 1024
MAX_RANK = 32
OWN_DTYPES = {"integers": "int32", "floats": "float32", "doubles": "float64", "strings": "string", "bytes": "bytes"}
NAMES = {"input", "input_batch", "version", "context", "uid", "slo_us"}


class RefusedError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class TwinBody:
    data: bytes = b""
    offsets: list[int] = field(default_factory=list)
    is_batch: bool = False
    version: str | None = None
    context: str | None = None
    slo_us: int | None = None


@dataclass(frozen=True)
class Number:
    """A number as it was written."""

    text: str
    is_integer: bool


class Members(list[tuple[str, object]]):
    """An object's members in document order, repeated keys and all."""


@dataclass(frozen=True)
class Spec:
    input_type: str
    dtype: str
    shape: tuple[int, ...] | None

    @property
    def element_count(self) -> int | None:
        return None if self.shape is None else math.prod(self.shape)


def make_spec(input_type: str, dtype: str | None, shape: tuple[int, ...] | None) -> Spec:
    return Spec(input_type, dtype or OWN_DTYPES[input_type], shape)


# -- the document --------------------------------------------------------------------------------------------------


def refuse_constant(name: str) -> object:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def load(text: str) -> object:
    return json.loads(
        text,
        parse_int=lambda digits: Number(digits, True),
        parse_float=lambda digits: Number(digits, False),
        parse_constant=refuse_constant,
        object_pairs_hook=Members,
    )


def find_too_deep(text: str, max_depth: int) -> int | None:
    """Index of the first bracket that opens too deep a level, if strings are skipped and the text is well-formed."""
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text, re.DOTALL):
        if token[0] in "[{":
            depth += 1
            if depth > max_depth:
                return token.start()
        elif token[0] in "]}":
            depth -= 1
    return None


def load_document(body: bytes, max_depth: int) -> object:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError("bad_encoding") from None
    too_deep = find_too_deep(text, max(MIN_DEPTH_LIMIT, min(max_depth, DEPTH_CEILING)))
    try:
        # What is nested too deeply is read up to there only: it must be the first thing that is wrong.
        return load(text if too_deep is None else text[: too_deep + 1])
    except json.JSONDecodeError as error:
        raise RefusedError("too_deep" if too_deep is not None and error.pos > too_deep else "json_error") from None


def validate_json(text: bytes) -> bool:
    try:
        load_document(text, 256)
    except RefusedError:
        return False
    return True


# -- numbers -------------------------------------------------------------------------------------------------------

REALS: dict[str, type[np.floating]] = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


def round_to(real: type[np.floating], text: str) -> bytes:
    """Round to the nearest value, ties to the even one, by comparing exact distances."""
    info = np.finfo(real)
    nearest_double = float(text)
    if abs(nearest_double) > 2 * float(info.max) or math.isinf(nearest_double):
        raise RefusedError("out_of_range")
    if nearest_double == 0.0:
        return real(nearest_double).tobytes()  # far below the smallest subnormal; keeps its sign
    exact = Fraction(text)
    with np.errstate(over="ignore"):
        guess = real(nearest_double)
        candidates = [real(float(info.max)), real(-float(info.max))] if np.isinf(guess) else [guess]
        candidates += [np.nextafter(c, real(direction)) for c in list(candidates) for direction in (np.inf, -np.inf)]
    finite = {c.tobytes(): c for c in candidates if np.isfinite(c)}.values()

    def distance(candidate: np.floating) -> tuple[Fraction, int]:
        is_odd = int.from_bytes(candidate.tobytes(), "little") & 1
        return abs(Fraction(float(candidate)) - exact), is_odd

    # Beyond the largest value by half a step or more means infinity (IEEE 754-2019, 4.3.1).
    half_step = (Fraction(float(info.max)) - Fraction(float(np.nextafter(real(info.max), real(0))))) / 2
    if abs(exact) >= Fraction(float(info.max)) + half_step:
        raise RefusedError("out_of_range")
    best = min(finite, key=distance)
    return real(math.copysign(float(best), -1.0 if text.startswith("-") else 1.0)).tobytes()


def convert_number(value: object, dtype: str) -> bytes:
    if dtype == "bool" and isinstance(value, bool):
        return b"\x01" if value else b"\x00"
    if not isinstance(value, Number):
        raise RefusedError("wrong_type")
    if dtype == "float64":
        number = float(value.text)
        if math.isinf(number):
            raise RefusedError("out_of_range")
        return struct.pack("<d", number)
    if dtype in REALS:
        return round_to(REALS[dtype], value.text)
    if not value.is_integer:
        raise RefusedError("wrong_type")
    low, high = (0, 1) if dtype == "bool" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    integer = Fraction(value.text)
    if not low <= integer <= high:
        raise RefusedError("out_of_range")
    return np.array(int(integer), dtype).tobytes()


# -- inputs --------------------------------------------------------------------------------------------------------


def convert_row(value: list[object], count: int | None, convert: Callable[[object], bytes]) -> bytes:
    data = b""
    for index, element in enumerate(value):
        if index == count:
            raise RefusedError("wrong_length")
        data += convert(element)
    if count is not None and len(value) != count:
        raise RefusedError("wrong_length")
    return data


def convert_nested(value: object, shape: tuple[int, ...], dtype: str) -> bytes:
    if not isinstance(value, list) or isinstance(value, Members):
        raise RefusedError("wrong_type")
    if len(shape) == 1:
        return convert_row(value, shape[0], lambda element: convert_number(element, dtype))
    return convert_row(value, shape[0], lambda element: convert_nested(element, shape[1:], dtype))


def convert_string(value: object) -> bytes:
    if not isinstance(value, str):
        raise RefusedError("wrong_type")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise RefusedError("bad_encoding") from None


def decode_base64(text: bytes) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise RefusedError("bad_base64") from None
    if base64.b64encode(decoded) != text:
        raise RefusedError("bad_base64")
    return decoded


def convert_input(value: object, spec: Spec, max_string_bytes: int) -> bytes:
    if spec.input_type in ("strings", "bytes"):
        text = convert_string(value)
        data = decode_base64(text) if spec.input_type == "bytes" else text
        if len(data) > max_string_bytes:
            raise RefusedError("too_long")
        if spec.element_count is not None and len(data) != spec.element_count:
            raise RefusedError("wrong_length")
        return data
    if not isinstance(value, list) or isinstance(value, Members):
        raise RefusedError("wrong_type")
    shape = spec.shape or ()
    if 2 <= len(shape) <= MAX_RANK and value and isinstance(value[0], list) and not isinstance(value[0], Members):
        return convert_nested(value, shape, spec.dtype)
    return convert_row(value, spec.element_count, lambda element: convert_number(element, spec.dtype))


# -- the body ------------------------------------------------------------------------------------------------------


def convert_label(value: object, max_bytes: int) -> str:
    if isinstance(value, Number) and value.is_integer:
        label = value.text
    else:
        label = convert_string(value).decode("utf-8")
    if len(label.encode()) > max_bytes:
        raise RefusedError("too_long")
    return label


def convert_slo(value: object) -> int:
    if not isinstance(value, Number) or not value.is_integer:
        raise RefusedError("wrong_type")
    slo_us = Fraction(value.text)
    if not 1 <= slo_us <= MAX_SLO_US:
        raise RefusedError("out_of_range")
    return int(slo_us)


def parse_json_body(
    body: bytes,
    input_type: str,
    dtype: str | None = None,
    shape: tuple[int, ...] | None = None,
    *,
    max_items: int = 4096,
    max_depth: int = 256,
    max_string_bytes: int = 16 << 20,
    max_label_bytes: int = 1024,
) -> TwinBody:
    spec = make_spec(input_type, dtype, shape)
    document = load_document(body, max_depth)
    if not isinstance(document, Members):
        raise RefusedError("wrong_type")
    result = TwinBody()
    seen: set[str] = set()

    def add_input(value: object) -> None:
        result.data += convert_input(value, spec, max_string_bytes)
        result.offsets.append(len(result.data))

    for key, value in document:
        if key not in NAMES:
            continue
        name = "context" if key == "uid" else key
        if name in seen:
            raise RefusedError("duplicate_key")
        seen.add(name)
        if {"input", "input_batch"} <= seen:
            raise RefusedError("ambiguous_input")
        if name == "input":
            result.offsets = [0]
            add_input(value)
        elif name == "input_batch":
            result.is_batch, result.offsets = True, [0]
            if not isinstance(value, list) or isinstance(value, Members):
                raise RefusedError("wrong_type")
            for index, item in enumerate(value):
                if index == max_items:
                    raise RefusedError("too_many_items")
                add_input(item)
        elif name == "slo_us":
            result.slo_us = convert_slo(value)
        elif name == "version":
            result.version = convert_label(value, max_label_bytes)
        else:
            result.context = convert_label(value, max_label_bytes)
    if not result.offsets:
        raise RefusedError("missing_input")
    return result


def parse_binary_body(
    body: bytes,
    input_type: str,
    dtype: str | None = None,
    shape: tuple[int, ...] | None = None,
    *,
    clipper_batch: int = 0,
    max_items: int = 4096,
) -> TwinBody:
    spec = make_spec(input_type, dtype, shape)
    if input_type == "strings" or spec.element_count is None:
        raise RefusedError("no_binary_form")
    if clipper_batch > max_items:
        raise RefusedError("too_many_items")
    count = clipper_batch or 1
    item_bytes = spec.element_count * (1 if spec.dtype == "bytes" else np.dtype(spec.dtype).itemsize)
    if len(body) != count * item_bytes:
        raise RefusedError("wrong_length")
    if spec.dtype == "bool" and max(body) > 1:
        raise RefusedError("out_of_range")
    return TwinBody(body, [i * item_bytes for i in range(count + 1)], clipper_batch != 0)
