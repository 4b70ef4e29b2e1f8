"""What a policy can be told: one table per policy, read by the checks, the command line and docs/policies.md."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from clipper.errors import InvalidArgumentError

Kind = Literal["number", "integer", "boolean", "text", "choice", "models", "weights"]

_EXPECTED: Final[Mapping[str, str]] = {
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "text": "a text that is not empty",
    "models": "a list of different model names",
    "weights": "an object with a number from 0 for each of one or more models, not all 0",
}
LARGEST_PARAMETER: Final = 1e12
MAX_PARAMETER_TEXT_CHARACTERS: Final = 256
MAX_PARAMETER_MODELS: Final = 1024


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a policy.

    Parameters
    ----------
    kind : str
        "number", "integer", "boolean", "text", "choice", "models" (a list of names) or "weights" (numbers by name).
        Where a model is named, "NAME" stands for its current version and "NAME:VERSION" for that version alone.
    default : object
        Of the kind, or None: then None may be given, too, and the help says what it means.
    help : str
        One line.
    minimum, maximum : float
        Bounds of a number; both are accepted.
    choices : tuple of str
        Of a choice.
    may_be_none : bool
        Whether None may be given although it is not the default.
    """

    kind: Kind
    default: Any
    help: str
    minimum: float = 0.0
    maximum: float = LARGEST_PARAMETER
    choices: tuple[str, ...] = ()
    may_be_none: bool = False

    def accepts(self, value: Any) -> bool:
        """Whether the value can be given."""
        if value is None:
            return self.may_be_none or self.default is None
        if self.kind == "boolean":
            return isinstance(value, bool)
        if self.kind in ("number", "integer"):
            return _is_number(value, whole=self.kind == "integer") and self.minimum <= value <= self.maximum
        if self.kind == "choice":
            return isinstance(value, str) and value in self.choices
        if self.kind == "text":
            return _is_text(value)
        if self.kind == "models":
            return isinstance(value, list | tuple) and len(value) <= MAX_PARAMETER_MODELS and _are_different(value)
        return _are_weights(value)

    @property
    def expected(self) -> str:
        """What is accepted, for a message or a table."""
        if self.kind == "choice":
            what = "one of " + ", ".join(repr(choice) for choice in self.choices)
        elif self.kind in ("number", "integer") and self.maximum < LARGEST_PARAMETER:
            what = f"{_EXPECTED[self.kind]} from {self.minimum:g} to {self.maximum:g}"
        elif self.kind in ("number", "integer"):
            what = f"{_EXPECTED[self.kind]} from {self.minimum:g}"
        else:
            what = _EXPECTED[self.kind]
        return f"{what}, or null" if self.accepts(None) else what


def check_parameters(policy: str, table: Mapping[str, Parameter], given: Mapping[str, object]) -> dict[str, Any]:
    """Return every parameter of the table with its value, the default where none is given.

    Raises
    ------
    InvalidArgumentError
        For a name that is not in the table, with the nearest one that is; for a value that is not accepted.
    """
    for name in given:
        if name not in table:
            raise InvalidArgumentError(
                f"policy {policy!r} has no parameter {name!r}", hint=_nearest(str(name), table, "its parameters")
            )
    values: dict[str, Any] = {}
    for name, parameter in table.items():
        value = given.get(name, parameter.default)
        if not parameter.accepts(value):
            raise InvalidArgumentError(
                f"{name}={value!r} of policy {policy!r} is not valid: expected {parameter.expected}"
            )
        if isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        elif parameter.kind == "number" and value is not None:
            value = float(cast(float, value))
        values[name] = value
    return values


def _nearest(name: str, known: Mapping[str, object], what: str) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"{what}: {', '.join(known) or 'none'}"


def _is_number(value: Any, *, whole: bool = False) -> bool:
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) <= LARGEST_PARAMETER


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_PARAMETER_TEXT_CHARACTERS and value.isprintable()


def _are_different(values: list[object] | tuple[object, ...]) -> bool:
    return all(_is_text(value) for value in values) and len(set(values)) == len(values)


def _are_weights(value: object) -> bool:
    if not isinstance(value, Mapping) or not 0 < len(value) <= MAX_PARAMETER_MODELS:
        return False
    numbers = list(value.values())
    if not all(_is_text(name) for name in value) or not all(_is_number(number) and number >= 0 for number in numbers):
        return False
    return math.fsum(numbers) > 0
