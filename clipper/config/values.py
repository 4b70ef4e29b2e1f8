"""From what a source says to the value of a field, and back: one rule for each declared type.

There are no suffixes: the unit stands in the name of the option, and its value is a plain number.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from clipper.config.option import Option, expected_of, readable, without_none

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
# Digits as TOML has them; nothing that int() takes beyond it (blanks, digits of other scripts). More digits than 64
# bits hold are out of every range, and int() of thousands of them is slow or refused.
_INTEGER: Final = re.compile(r"[+-]?[0-9](_?[0-9]){0,24}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,25}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_SUFFIXED: Final = re.compile(r"[0-9_.]+\s*[A-Za-z]{1,5}")
NO_SUFFIXES: Final = "sizes and durations are plain numbers, in the unit that the name ends with"


class ValueRefused(Exception):  # noqa: N818 - never leaves the package: the loader says where the value came from
    """What a source says is no value of the option's type.

    Parameters
    ----------
    expected : str
        What would have been accepted.
    hint : str
        What the reader may have meant.
    """

    def __init__(self, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint


def from_text(text: str, kind: Any, known: Option, base: Path) -> Any:
    """Return the value that a variable or the command line gives as text.

    A list is written as words of a shell (``python -m mine``) or as a TOML array; lists by name as a TOML inline
    table; an empty text is an empty list, or no path.

    Parameters
    ----------
    kind : type
        As the field declares it.
    base : Path
        What a relative path is relative to.

    Raises
    ------
    ValueRefused
        The text is not valid for that type; whether the value is in range is for the section to say.
    """
    one, may_be_none = without_none(kind)
    if one in (int, float, bool):
        return _parse_word(text.strip(), one, expected_of(one, known))
    if one is str:
        return text
    if one is Path:
        return None if not text and may_be_none else _path(text, base)
    is_list = typing.get_origin(one) is tuple
    if is_list and not text.lstrip().startswith("["):
        return _words(text)
    return from_document(_toml_value(text, is_list), kind, known, base)


def _parse_word(word: str, kind: Any, expected: str) -> Any:
    if kind is bool:
        if word.lower() in _TRUE | _FALSE:
            return word.lower() in _TRUE
    elif (_INTEGER if kind is int else _NUMBER).fullmatch(word):
        return kind(word)
    raise ValueRefused(expected, NO_SUFFIXES if kind is not bool and _SUFFIXED.fullmatch(word) else "")


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueRefused(f"words as a shell reads them, or a TOML array of texts: {str(error).lower()}") from None


def _toml_value(text: str, is_list: bool) -> Any:
    expected = 'a TOML array of texts, as ["a", "b"]' if is_list else 'a TOML inline table, as {mine = ["a", "b"]}'
    if not text.strip():
        return {}
    try:
        document = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        raise ValueRefused(expected) from None
    if set(document) != {"value"}:  # a line end, and more keys behind it
        raise ValueRefused(expected)
    return document["value"]


def from_document(value: Any, kind: Any, known: Option, base: Path) -> Any:
    """Return the value of a field from a parsed TOML or JSON document; see `from_text`.

    Raises
    ------
    ValueRefused
        It has another type than the field; text is never read as a number.
    """
    one, may_be_none = without_none(kind)
    if one is Path:
        if may_be_none and value in ("", None):
            return None
        if isinstance(value, str):
            return _path(value, base)
    elif one in (int, float, bool, str):
        if type(value) is one or (one is float and type(value) is int):
            return value
    elif typing.get_origin(one) is tuple:
        return _texts(value, known)
    elif isinstance(value, Mapping):
        return {str(name): _texts(words, known) for name, words in value.items()}
    raise ValueRefused(expected_of(kind, known), _hint_on_text(value, one))


def _hint_on_text(value: object, kind: Any) -> str:
    if kind not in (int, float, bool) or not isinstance(value, str):
        return ""
    return NO_SUFFIXES if _SUFFIXED.fullmatch(value) else "write it without quotes"


def _texts(value: Any, known: Option) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueRefused(expected_of(tuple[str, ...], known))
    return tuple(value)


def _path(text: str, base: Path) -> Path:
    if not text:
        raise ValueRefused("a path")
    try:
        return base / Path(text).expanduser()
    except RuntimeError:  # ~name of a user that does not exist
        raise ValueRefused("a path; there is no such home directory") from None


def to_toml(value: Any) -> str:
    """Return a value as TOML writes it; `from_document` of what TOML reads is the value again."""
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"an option cannot be {value!r}")


def _string(value: object) -> str:
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(value: Mapping[str, Any]) -> str:
    pairs = ", ".join(f"{_string(name)} = {to_toml(words)}" for name, words in sorted(value.items()))
    return f"{{ {pairs} }}" if pairs else "{}"


_WRITERS: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda value: "true" if value else "false",
    int: readable,
    float: repr,
    str: _string,
    Path: _string,
    type(None): lambda _none: '""',
    tuple: lambda value: f"[{', '.join(_string(word) for word in value)}]",
    Mapping: _table,
}
