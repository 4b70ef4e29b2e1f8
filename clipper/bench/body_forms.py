"""What requests and answers look like, by the kind of server: makes bodies of inputs and texts of right answers.

| form | for a URL such as | an input is | a right answer is |
|---|---|---|---|
| `clipper` | `http://HOST:1337/APP/predict` | a value, JSON text; bytes go as octets | the output |
| `json` | any | a whole body: a value or JSON text | JSON text that is in the answer |
| `binary` | any | bytes or an array | bytes that are in the answer |
| `oip` | `http://HOST/v2/models/MODEL/infer` | arrays by tensor name, or JSON text | an array, of the first output |
| `oip-binary` | the same | arrays by tensor name | an array, of the first output |
| `get` | any | nothing: a GET | text that is in the answer |

Texts may hold `{counter}` once, where each request gets eight digits of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from clipper.bench.answer_texts import member_texts
from clipper.bench.oip import HEADER_LENGTH, binary_body, json_body, output_texts
from clipper.bench.request_template import CounterForm
from clipper.errors import InvalidArgumentError

COUNTER = b"{counter}"
JSON_TYPE, OCTETS_TYPE = "application/json", "application/octet-stream"
NO_DATA = frozenset(("name", "shape", "datatype"))  # of a tensor of the protocol
Headers = tuple[tuple[str, str], ...]


class BodyForm(StrEnum):
    """What requests and answers look like; the module's docstring says what each takes."""

    AUTO = "auto"
    CLIPPER = "clipper"
    JSON = "json"
    BINARY = "binary"
    OIP = "oip"
    OIP_BINARY = "oip-binary"
    GET = "get"


def choose_form(path: str, inputs: Sequence[Any]) -> BodyForm:
    """Say what a URL with this path wants, by the paths that servers have."""
    if not len(inputs):
        return BodyForm.GET
    plain = path.partition("?")[0]
    if re.fullmatch(r"(/[^/]+)*/v2/models/[^/]+(/versions/[^/]+)?/infer", plain):
        return BodyForm.OIP
    if re.fullmatch(r"/[^/]+/predict", plain):
        return BodyForm.CLIPPER
    return BodyForm.BINARY if isinstance(inputs[0], bytes | np.ndarray) else BodyForm.JSON


def form_of(form: str) -> BodyForm:
    """Return the form of that name.

    Raises
    ------
    InvalidArgumentError
        If there is none.
    """
    try:
        return BodyForm(form)
    except ValueError:
        names = ", ".join(BodyForm)
        raise InvalidArgumentError(f"there is no form {form!r} of a target, expected one of {names}") from None


Body = tuple[tuple[bytes, bytes], CounterForm, Headers]


def cut_body(form: BodyForm, value: Any, is_unique: bool) -> Body:
    """Return the body of an input before and after its hole, what goes into the hole, and the headers that it needs.

    Raises
    ------
    InvalidArgumentError
        If the form has no such input, or the input no place for a counter where one is wanted.
    """
    (before, after), counter, headers = _body(form, value, is_unique)
    if counter is CounterForm.DIGITS:
        if before.count(COUNTER) != 1:
            raise InvalidArgumentError(f"an input holds {{counter}} {before.count(COUNTER)} times, expected once")
        before, _, after = before.partition(COUNTER)
    return (before, after), counter, headers


def _body(form: BodyForm, value: Any, is_unique: bool) -> Body:
    if form is BodyForm.GET:
        return (b"", b""), CounterForm.NONE, ()
    if form is BodyForm.OIP_BINARY:
        head, tensors = binary_body(value)
        parts = [one.data() for one in tensors]
        counter = _hole_of(tensors[0].values) if is_unique else CounterForm.NONE
        hole = {CounterForm.DOUBLE: 8, CounterForm.FLOAT: 4}.get(counter, 0)
        headers = (("Content-Type", OCTETS_TYPE), (HEADER_LENGTH, str(len(head))))
        return (head, b"".join([parts[0][hole:], *parts[1:]])), counter, headers
    if form is BodyForm.BINARY or (form is BodyForm.CLIPPER and isinstance(value, bytes | np.ndarray)):
        if not isinstance(value, bytes | np.ndarray):
            raise InvalidArgumentError(f"a binary input is {type(value).__name__}, expected bytes or an array")
        if isinstance(value, bytes):
            if is_unique:
                raise InvalidArgumentError("bytes cannot be made unique, as they may mean anything; expected an array")
            return (value, b""), CounterForm.NONE, (("Content-Type", OCTETS_TYPE),)
        counter = _hole_of(value) if is_unique else CounterForm.NONE
        data = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        hole = value.dtype.itemsize if counter is not CounterForm.NONE else 0
        return (b"", data[hole:]), counter, (("Content-Type", OCTETS_TYPE),)
    if form is BodyForm.OIP and not isinstance(value, str | bytes):
        value = json_body(value)
    text = _json_text(value, is_unique, skip=NO_DATA if form is BodyForm.OIP else frozenset())
    if form is BodyForm.CLIPPER:
        text = b'{"input":' + text + b"}"
    counter = CounterForm.DIGITS if COUNTER in text else CounterForm.NONE
    return (text, b""), counter, (("Content-Type", JSON_TYPE),)


def _hole_of(values: np.ndarray[Any, Any]) -> CounterForm:
    """Which counter the first element can be."""
    forms = {("f", 8): CounterForm.DOUBLE, ("f", 4): CounterForm.FLOAT}
    found = forms.get((values.dtype.kind, values.dtype.itemsize))
    if found is None or values.size == 0:
        raise InvalidArgumentError(f"an array of {values.dtype} cannot be made unique, expected float32 or float64")
    return found


def _json_text(value: Any, is_unique: bool, skip: frozenset[str]) -> bytes:
    if isinstance(value, bytes):
        if is_unique:
            raise InvalidArgumentError("bytes cannot be made unique, as they may mean anything; expected a value")
        return value
    if isinstance(value, str):
        parsed = _parsed(value)
        if not is_unique or COUNTER in value.encode("utf-8"):
            return value.encode("utf-8")
        value = parsed
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if is_unique:
        plain, was_found = _with_counter(plain, skip)
        if not was_found:
            raise InvalidArgumentError(f"the input {str(value)[:80]} holds no number and no string to make unique")
    try:
        text = json.dumps(plain, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the input {str(value)[:80]} cannot be written as JSON: {error}") from None
    return text.replace('"\\u0000number"', "0.{counter}").encode("utf-8")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text.replace("{counter}", "10000000"))
    except ValueError as error:
        raise InvalidArgumentError(f"the input {text[:80]!r} is not JSON: {error}") from None


def _with_counter(value: Any, skip: frozenset[str]) -> tuple[Any, bool]:
    """Return the value with its first number or string marked, and whether there was one."""
    if isinstance(value, str):
        return "{counter}" + value, True
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "\0number", True
    if isinstance(value, dict | list | tuple):
        items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        done, marked = False, {}
        for key, one in items:
            if done or key in skip:
                marked[key] = one
            else:
                marked[key], done = _with_counter(one, skip)
        return (marked if isinstance(value, dict) else list(marked.values())), done
    return value, False


def accepted_texts(form: BodyForm, answer: Any) -> tuple[bytes, ...]:
    """Return texts one of which is in a right answer."""
    if form is BodyForm.CLIPPER:
        return member_texts("output", answer)
    if form in (BodyForm.OIP, BodyForm.OIP_BINARY) and not isinstance(answer, str | bytes):
        return output_texts(answer, is_binary=form is BodyForm.OIP_BINARY)
    if isinstance(answer, np.ndarray):
        return (answer.tobytes(),)
    if not isinstance(answer, str | bytes):
        raise InvalidArgumentError(f"a right answer is {answer!r}, expected text that is in the answer")
    return (_bytes(answer),)


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else text
