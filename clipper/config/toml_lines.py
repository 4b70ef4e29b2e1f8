"""The lines of a TOML file at which its keys stand: tomllib does not tell them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, from 1, of each key and each table header of a valid TOML document, by its full path.

    A statement is the shortest run of lines that is TOML by itself: tomllib finds its end, and there is no second
    grammar here to disagree with it.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    pending, first_line = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        if not pending:
            first_line = number
        pending += line + "\n"
        try:
            statement = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue  # goes on in the next line
        if pending.lstrip().startswith("["):
            table = _header(statement)
            found.setdefault(table, first_line)
        else:
            for path in _paths(statement):
                found.setdefault((*table, *path), first_line)
        pending = ""
    return found


def _header(statement: Any) -> tuple[str, ...]:
    path: list[str] = []
    while statement:
        statement = statement[-1] if isinstance(statement, list) else statement
        ((name, statement),) = statement.items() if statement else (("", None),)
        if name:
            path.append(name)
    return tuple(path)


def _paths(statement: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the path of a statement's key and of all that its value holds: ``a.b = 1`` and ``a = {b = 1}`` alike."""
    for name, value in statement.items():
        yield (name,)
        if isinstance(value, Mapping):
            yield from ((name, *path) for path in _paths(value))
