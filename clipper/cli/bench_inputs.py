"""What ``clipper bench`` sends and expects, as the command line takes it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clipper.errors import InvalidArgumentError, NotFoundError

COUNTER: Final = "{counter}"
_MADE_UP_TEXT: Final = "clipper bench {counter}"
_FLOATS: Final = ("float32", "float64")


def read_inputs(texts: Sequence[str], file: Path | None, is_unique: bool) -> list[Any]:
    """Return the inputs of ``--input`` and ``--inputs`` as `clipper.bench.targets.parse_target` takes them.

    Raises
    ------
    InvalidArgumentError
        One of them is none.
    NotFoundError
        A file cannot be read.
    """
    found = [_input(text, is_unique) for text in texts]
    return found + ([] if file is None else [_prepared(value, is_unique) for value in _lines(file)])


def read_answers(file: Path | None) -> list[Any] | None:
    """Return the right answers of ``--answers``; None if none are given."""
    return (
        None if file is None else [_parsed(line, str(file)) if isinstance(line, str) else line for line in _lines(file)]
    )


def compact_answers(answers: Iterable[Any]) -> list[Any]:
    """Return answers as texts that may be looked for: JSON without blanks."""
    return [a if isinstance(a, str) else json.dumps(a, separators=(",", ":")) for a in answers]


def without_blanks(text: str) -> str:
    """Return a piece of JSON without the white space between its tokens; that within strings stays."""
    kept, is_in_string, is_escaped = [], False, False
    for letter in text:
        if is_in_string or not letter.isspace():
            kept.append(letter)
        if letter == '"' and not is_escaped:
            is_in_string = not is_in_string
        is_escaped = is_in_string and letter == "\\" and not is_escaped
    return "".join(kept)


def made_up_input(application: Mapping[str, Any]) -> tuple[Any, bool]:
    """Return an input that fits an application, and whether its first number is to differ from request to request.

    Raises
    ------
    InvalidArgumentError
        The application does not say what its inputs look like.
    """
    kind, shape = str(application["input_type"]), application["shape"]
    if kind == "strings":
        return json.dumps(_MADE_UP_TEXT), False
    if kind == "bytes":  # eight digits are base64 of six bytes
        return json.dumps(COUNTER), False
    if shape is None:
        raise InvalidArgumentError(
            f"the application {application['name']!r} does not declare how long its inputs are, so none can be made up",
            hint="give one: --input '[1, 2, 3]'",
        )
    if kind == "integers" or not _is_float(application):
        rest = _nested(shape, 1)
        return rest, False
    return _nested(shape, 0.5), True


def oip_inputs(url: str, inputs: Sequence[Any]) -> list[Any]:
    """Return inputs as the tensors that the model at a URL of the Open Inference Protocol takes.

    Whole bodies, and arrays by name that have types of their own, stay as they are; for others the server is asked.

    Raises
    ------
    ClipperError
        It does not say what its model takes, or the inputs do not fit.
    """
    from clipper.bench.oip_model import TensorSpec, fit_inputs, read_model_inputs

    specs: tuple[TensorSpec, ...] = ()
    found = []
    for given in inputs:
        value = given
        if isinstance(value, str) and COUNTER not in value:
            parsed = _parsed(value, "--input")
            value = given if isinstance(parsed, dict) and "inputs" in parsed else parsed
        if isinstance(value, str | bytes) or _has_types(value) or _is_body(value):
            found.append(value)
            continue
        specs = specs or read_model_inputs(url)
        found.append(fit_inputs(specs, value))
    return found


def _is_body(value: Any) -> bool:
    return isinstance(value, dict) and "inputs" in value


def _has_types(value: Any) -> bool:
    return isinstance(value, dict) and all(hasattr(one, "dtype") for one in value.values())


def parse_headers(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the headers of ``--header``.

    Raises
    ------
    InvalidArgumentError
        One of them has no colon.
    """
    headers = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise InvalidArgumentError(f"--header={text!r} is no header: expected 'NAME: VALUE'")
        headers.append((name.strip(), value.strip()))
    return tuple(headers)


def _is_float(application: Mapping[str, Any]) -> bool:
    return application["dtype"] in _FLOATS or application["input_type"] in ("doubles", "floats")


def _nested(shape: Sequence[int], value: float) -> Any:
    return value if not shape else [_nested(shape[1:], value) for _ in range(shape[0])]


def _input(text: str, is_unique: bool) -> Any:
    if text == "-":
        return _text_or_bytes(sys.stdin.buffer.read(), "stdin", is_unique)
    if not text.startswith("@"):
        return _prepared(text, is_unique)
    path = Path(text[1:]).expanduser()
    if path.suffix == ".npy":
        return _load_array(path)
    if path.suffix == ".npz":
        return dict(_load_array(path))
    data = _read(path)
    return _text_or_bytes(data, str(path), is_unique) if path.suffix == ".json" else data


def _text_or_bytes(data: bytes, source: str, is_unique: bool) -> Any:
    try:
        return _prepared(data.decode("utf-8"), is_unique, source)
    except UnicodeDecodeError:
        return data


def _prepared(value: Any, is_unique: bool, source: str = "--input") -> Any:
    """Return JSON text as it is to be sent; its value where its first number is to be made unique."""
    if not isinstance(value, str) or COUNTER in value:
        return value
    parsed = _parsed(value, source)
    if isinstance(parsed, dict) and parsed and "inputs" not in parsed and all(_is_array(v) for v in parsed.values()):
        return parsed  # tensors by name, or a body all of whose members are arrays: the form decides
    if not is_unique:
        return value
    return json.dumps(COUNTER + parsed) if isinstance(parsed, str) else parsed


def _is_array(value: Any) -> bool:
    return isinstance(value, list)


def _parsed(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(
            f"{source} is no JSON: {error}",
            hint="for example --input '[1, 2, 3]'; a text needs its quotes: '\"a text\"'",
        ) from error


def _lines(file: Path) -> list[Any]:
    if file.suffix == ".npy":
        return list(_load_array(file))
    try:
        lines = [line for line in _read(file).decode("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"{str(file)!r} is not UTF-8 text: {error}") from error
    if not lines:
        raise InvalidArgumentError(f"{str(file)!r} holds no line")
    return lines


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{str(path)!r} cannot be read: {error.strerror}") from error


def _load_array(path: Path) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise NotFoundError(f"{str(path)!r} cannot be read: {error}") from error
    except ValueError as error:
        raise InvalidArgumentError(f"{str(path)!r} is no array of numbers: {error}") from error
