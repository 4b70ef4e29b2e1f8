"""What is said of an option beside its name, type and default: its meaning and its range, in one place.

The checks at construction, the messages of errors, the example file and docs/configuration.md all read it from here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Union

from clipper.errors import InvalidArgumentError

# Keeps sums of two limits inside 64 bits.
LARGEST_INTEGER: Final = 2**62
# 7 days: no limit of a process is meant to be longer, and poll(2) counts milliseconds in 31 bits.
LONGEST_DURATION_US: Final = 7 * 24 * 3_600_000_000
_METADATA: Final = "option"


class OptionError(InvalidArgumentError):
    """One option has a value that it does not accept.

    Parameters
    ----------
    name : str
        The field's name, without its section.
    shown : str
        The value as the message may show it.
    expected : str
        What would have been accepted.
    """

    def __init__(self, name: str, shown: str, expected: str, *, hint: str = "") -> None:
        super().__init__(f"{name}={shown} is not valid: expected {expected}", hint=hint)
        self.name = name
        self.shown = shown
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of one field.

    Parameters
    ----------
    meaning : str
        One line for a reader who sees the name, the type and the default beside it.
    minimum, maximum : int
        Bounds of a number; both are accepted.
    choices : tuple of str
        The only texts that are accepted; empty = any.
    form : str
        What a text must look like, where "a text" says too little; the section checks it.
    must_not_be_empty : bool
        Of texts and lists.
    has_secret : bool
        The value is never shown as it is; see `clipper.config.rendering.masked`.
    """

    meaning: str
    minimum: int = 0
    maximum: int = LARGEST_INTEGER
    choices: tuple[str, ...] = ()
    form: str = ""
    must_not_be_empty: bool = False
    has_secret: bool = False


def describe(meaning: str, **more: Any) -> Mapping[str, Option]:
    """Return the metadata of a field; ``more`` are the fields of `Option`."""
    return {_METADATA: Option(meaning, **more)}


def option(default: Any, meaning: str, **more: Any) -> Any:
    """Declare a field of a section with its default; ``more`` are the fields of `Option`."""
    return field(default=default, metadata=describe(meaning, **more))


def duration(default: int, meaning: str, *, minimum: int = 0) -> Any:
    """Declare a field in microseconds."""
    return option(default, meaning, minimum=minimum, maximum=LONGEST_DURATION_US)


def option_made_by(factory: Callable[[], Any], meaning: str, **more: Any) -> Any:
    """Declare a field whose default is mutable, made by ``factory`` for each object."""
    return field(default_factory=factory, metadata=describe(meaning, **more))


def is_option(section: type[Any], name: str) -> bool:
    """Whether a field is one that users set."""
    return _METADATA in _declared(section)[name].metadata


def about(section: type[Any], name: str) -> Option:
    """Return what is known of a field."""
    return typing.cast(Option, _declared(section)[name].metadata[_METADATA])


def default_of(section: type[Any], name: str) -> Any:
    """Return a field's default, made anew if it is mutable."""
    declared = _declared(section)[name]
    return declared.default_factory() if declared.default_factory is not MISSING else declared.default


def _declared(section: type[Any]) -> Mapping[str, Any]:
    return {declared.name: declared for declared in fields(section)}


def types_of(section: type[Any]) -> Mapping[str, Any]:
    """Return the types of a section's fields by name, resolved."""
    return typing.get_type_hints(section)


def without_none(kind: Any) -> tuple[Any, bool]:
    """Split ``X | None`` into X and True; any other type comes back as it is, with False."""
    if typing.get_origin(kind) not in (Union, types.UnionType):
        return kind, False
    (one,) = [argument for argument in typing.get_args(kind) if argument is not type(None)]
    return one, True


def expected_of(kind: Any, known: Option) -> str:
    """Say what values an option accepts."""
    kind, may_be_none = without_none(kind)
    if known.form:
        return known.form
    if known.choices:
        return f"one of {', '.join(repr(choice) for choice in known.choices)}"
    if kind in (int, float):
        what = "an integer" if kind is int else "a number"
        if known.minimum == known.maximum:
            return f"{known.minimum} (no other is supported yet)"
        if known.maximum == LARGEST_INTEGER:
            return f"{what}, {readable(known.minimum)} or more"
        return f"{what} from {readable(known.minimum)} to {readable(known.maximum)}"
    if typing.get_origin(kind) is tuple:
        return "a list of one or more texts" if known.must_not_be_empty else "a list of texts"
    if kind is str:
        return "a text that is not empty" if known.must_not_be_empty else "a text"
    named = {bool: "true or false", Path: "a path"}.get(kind, "lists of texts by name")
    return f"{named}, or nothing" if may_be_none else named


def readable(number: int) -> str:
    """Return an integer as TOML reads it, its digits in groups if they are many: 16_777_216, but 65535."""
    return f"{number:_}" if abs(number) >= 100_000 else str(number)


def check(section: Any) -> None:
    """Refuse a section one of whose fields has another type than declared, or is out of its range.

    Raises
    ------
    OptionError
        For the first such field.
    """
    kinds = types_of(type(section))
    for name in _declared(type(section)):
        if not is_option(type(section), name):
            continue
        known, value = about(type(section), name), getattr(section, name)
        if not _fits(value, kinds[name], known):
            shown = "(hidden)" if known.has_secret else repr(str(value) if isinstance(value, Path) else value)
            expected = "an absolute path" if isinstance(value, Path) else expected_of(kinds[name], known)
            raise OptionError(name, shown, expected)


def _fits(value: Any, kind: Any, known: Option) -> bool:
    kind, may_be_none = without_none(kind)
    if value is None:
        return may_be_none
    if kind is int:
        return type(value) is int and known.minimum <= value <= known.maximum
    if kind is float:
        return type(value) in (int, float) and known.minimum <= value <= known.maximum
    if kind is bool:
        return type(value) is bool
    if kind is str:
        return _is_text(value) and (value in known.choices if known.choices else bool(value) >= known.must_not_be_empty)
    if kind is Path:
        return isinstance(value, Path) and value.is_absolute() and _is_text(str(value))
    if typing.get_origin(kind) is tuple:
        return _are_texts(value) and len(value) >= known.must_not_be_empty
    return isinstance(value, Mapping) and all(_is_text(name) and _are_texts(words) for name, words in value.items())


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_text(word) for word in value)


def _is_text(value: object) -> bool:
    """Whether a file and a command line can hold it: UTF-8 without NUL."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
