"""How a server may write a value as JSON: the texts one of which is in a right answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from clipper.errors import InvalidArgumentError

MAX_TEXT_BYTES = 1 << 20


def json_texts(value: Any) -> tuple[bytes, ...]:
    """Return the ways to write a value, without white space.

    1 may come as `1` or `1.0`, 0.1 of a float32 as `0.1` or `0.10000000149011612`, and letters beyond ASCII may be
    escaped. Texts are compared, not numbers: a server that rounds otherwise is told apart by `AnswerCheck.accept`.

    Raises
    ------
    InvalidArgumentError
        If the value is no JSON, or longer than `MAX_TEXT_BYTES`.
    """
    writers: tuple[Callable[[float], str], ...] = (_as_integer, _as_double, _as_single, _single_as_double)
    texts: dict[bytes, None] = {}
    for write in writers:
        for is_ascii in (True, False):
            text = _write(value, write, is_ascii).encode("utf-8")
            if len(text) > MAX_TEXT_BYTES:
                raise InvalidArgumentError(
                    f"a right answer is {len(text)} bytes long, expected at most {MAX_TEXT_BYTES}"
                )
            texts[text] = None
    return tuple(texts)


def member_texts(name: str, value: Any) -> tuple[bytes, ...]:
    """Return the ways in which an object may hold this member; what follows it is in them, so that 1 is not 10."""
    key = json.dumps(name).encode("ascii")
    return tuple(b"%s:%s%s" % (key, text, end) for text in json_texts(value) for end in (b",", b"}"))


def _write(value: Any, write: Callable[[float], str], is_ascii: bool) -> str:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=is_ascii)
    if isinstance(value, int | float):
        return write(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_write(one, write, is_ascii) for one in value) + "]"
    if isinstance(value, dict):
        members = ((_write(str(name), write, is_ascii), _write(one, write, is_ascii)) for name, one in value.items())
        return "{" + ",".join(f"{name}:{one}" for name, one in members) + "}"
    raise InvalidArgumentError(f"a right answer holds {value!r}, expected what JSON can write")


def _as_integer(number: float) -> str:
    return str(int(number)) if isinstance(number, int) or number.is_integer() else repr(number)


def _as_double(number: float) -> str:
    return repr(float(number))


def _as_single(number: float) -> str:
    single = np.float32(number)
    return str(single) if np.isfinite(single) and "e" not in str(single) else repr(float(number))


def _single_as_double(number: float) -> str:
    single = np.float32(number)
    return repr(float(single)) if np.isfinite(single) else repr(float(number))
