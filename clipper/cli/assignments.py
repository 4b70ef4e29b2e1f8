"""``KEY=VALUE`` on the command line, and JSON beside it: parameters of a policy, options of learning."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from clipper.errors import InvalidArgumentError


def parse_value(text: str) -> Any:
    """Return the JSON value that a text is, or the text itself: ``7``, ``true``, ``[1,2]``, ``cat``."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def parse_assignments(texts: Iterable[str], what: str) -> dict[str, Any]:
    """Return the values of ``KEY=VALUE`` arguments; one that is a JSON object stands for all of its keys.

    Parameters
    ----------
    what : str
        What these are, as the command line calls it.

    Raises
    ------
    InvalidArgumentError
        An argument is neither, or a key is given twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        for key, value in _pairs(text, what):
            if key in values:
                raise InvalidArgumentError(f"{what} {key!r} is given twice")
            values[key] = value
    return values


def _pairs(text: str, what: str) -> list[tuple[str, Any]]:
    if text.lstrip().startswith("{"):
        try:
            return list(json.loads(text, parse_constant=_refuse_constant).items())
        except ValueError as error:
            raise InvalidArgumentError(f"{what}: {text!r} is no JSON: {error}") from error
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InvalidArgumentError(
            f"{what}: {text!r} is not valid: expected KEY=VALUE, or a JSON object", hint="for example floor=0.02"
        )
    return [(key.strip(), parse_value(value))]


def _refuse_constant(name: str) -> Any:
    """Let NaN and the infinities, which are no JSON, be text."""
    raise ValueError(f"{name} is no number of JSON")
