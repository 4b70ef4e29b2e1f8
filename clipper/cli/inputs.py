"""Inputs of a model as the command line takes them: JSON, text, ``@FILE`` or stdin."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from clipper.errors import InvalidArgumentError, NotFoundError


def read_input(text: str, input_type: str, name: str, *, batch: bool = False, source: str = "INPUT") -> Any:
    """Return the input, or the inputs of a batch, that an argument stands for, as the query API takes it.

    Parameters
    ----------
    text : str
        JSON; ``@FILE`` (JSON, .npy or .csv); or ``-``, stdin. What is no JSON is text where text is taken.
    input_type : str
        In any spelling that Clipper takes.
    name : str
        Of the application or model that takes it, for the error.
    source : str
        What the argument is called.

    Raises
    ------
    InvalidArgumentError
        It is no input of this type.
    NotFoundError
        The file cannot be read.
    """
    kind = {"s": "strings", "b": "bytes"}.get(input_type[:1], input_type)  # no other spelling begins with these two
    if text == "-":
        return _parse(sys.stdin.buffer.read(), "stdin", kind, name, batch)
    if text.startswith("@"):
        path = Path(text[1:]).expanduser()
        try:
            if path.suffix == ".npy":
                return _read_array(path)
            data = path.read_bytes()
        except OSError as error:
            raise NotFoundError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        if path.suffix == ".csv":
            return _read_csv(data, path, batch)
        return _parse(data, str(path), kind, name, batch)
    return _parse(text.encode(), source, kind, name, batch)


@contextlib.contextmanager
def open_lines(file: str) -> Iterator[Iterable[str]]:
    """Give the lines of a text file as they come; ``-`` is stdin.

    Raises
    ------
    NotFoundError
        It cannot be read.
    InvalidArgumentError
        It is no text.
    """
    if file == "-":
        yield sys.stdin
        return
    try:
        lines = Path(file).expanduser().open(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(f"{file!r} cannot be read: {error.strerror}") from error
    with lines:
        try:
            yield lines
        except UnicodeDecodeError as error:
            raise InvalidArgumentError(f"{file!r} is not UTF-8 text: {error}") from error


def _parse(data: bytes, source: str, kind: str, name: str, batch: bool) -> Any:
    """Return the JSON value of ``data``; what is none is text where text is taken."""
    takes_text = kind in ("strings", "bytes") and not batch
    try:
        value = json.loads(data)
        if not takes_text or isinstance(value, str):
            return value
    except ValueError as error:
        if not takes_text:
            raise InvalidArgumentError(
                f"{source} is no JSON: {error}", hint=f"{name} takes {_example(kind, batch)}"
            ) from error
    if kind == "bytes":
        return base64.b64encode(data).decode("ascii")
    try:
        return data.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"{source} is not UTF-8 text: {error}") from error


def _example(kind: str, batch: bool) -> str:
    one = '"a string"' if kind in ("strings", "bytes") else "[1, 2, 3]"
    return f"an array of {kind}, for example " + (f"'[{one}, {one}]'" if batch else f"'{one}'")


def _read_array(path: Path) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False).tolist()
    except ValueError as error:
        raise InvalidArgumentError(f"{str(path)!r} is no array of numbers: {error}") from error


def _read_csv(data: bytes, path: Path, batch: bool) -> Any:
    try:
        rows = [[float(cell) for cell in line.split(",")] for line in data.decode("utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise InvalidArgumentError(f"{str(path)!r} holds something that is no number: {error}") from error
    if batch:
        return rows
    if len(rows) != 1:
        raise InvalidArgumentError(
            f"{str(path)!r} holds {len(rows)} rows; expected one", hint="`clipper predict --batch` takes several"
        )
    return rows[0]
