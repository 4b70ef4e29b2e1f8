"""The configuration for people: as rows, as a TOML file, and as an example of every option."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from clipper.config.instance import ClipperConfig
from clipper.config.keys import Key, keys
from clipper.config.storage import without_password
from clipper.config.values import to_toml

_COMMENT_COLUMNS: Final = 118
_HEAD: Final = """\
Configuration of Clipper: every option with its default. Take the "# " away from what you change.
A value on the command line (--set section.option=value) or in the environment (CLIPPER_SECTION__OPTION) is stronger.
Sizes and durations are plain numbers, in the unit that the name ends with: _bytes, _us (microseconds)."""

_UNITS: Final = {
    "_us": ((1, "us"), (1_000, "ms"), (1_000_000, "s"), (60_000_000, "min"), (3_600_000_000, "h")),
    "_bytes": ((1, "bytes"), (1 << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB")),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of ``clipper config``."""

    key: str
    value: str  # as TOML writes it, secrets masked
    origin: str


def masked(key: Key, value: Any) -> Any:
    """Return a value as it may be shown: without the password of a URL."""
    if not key.about.has_secret:
        return value
    return without_password(value) if isinstance(value, str) else "***"


def value_of(config: ClipperConfig, key: Key) -> Any:
    """Return the value that ``config`` has for a key."""
    return getattr(getattr(config, key.section) if key.section else config, key.name)


def effective_rows(config: ClipperConfig, origins: Mapping[str, object]) -> list[Row]:
    """Return the effective configuration, a row for each key; secrets are masked."""
    return [Row(name, to_toml(masked(key, value_of(config, key))), str(origins[name])) for name, key in keys().items()]


def config_toml(config: ClipperConfig) -> str:
    """Return a TOML file that says all of ``config``, secrets included; `load_config` of it is ``config`` again."""
    return _document((key, [f"{key.name} = {to_toml(value_of(config, key))}"]) for key in keys().values())


def example_toml() -> str:
    """Return a TOML file with every option, its meaning and its default, all commented out."""
    lines = ((key, [*_comment(key.about.meaning), _example_line(key)]) for key in keys().values())
    return "\n".join(f"# {line}" for line in _HEAD.split("\n")) + "\n\n" + _document(lines)


def shown_default(key: Key) -> str:
    """Return a key's default as TOML writes it; programs and directories of this machine in general terms."""
    if not key.section:
        return to_toml("~/.local/state/clipper/default")
    return to_toml(("python", *key.default[1:]) if key.name == "command" else key.default)


def in_larger_units(key: Key) -> str:
    """Return a key's default in the largest unit that has no fraction, such as ``16 MiB``; empty without a unit."""
    for suffix, units in _UNITS.items():
        if key.name.endswith(suffix) and key.default:
            size, unit = max((size, unit) for size, unit in units if key.default % size == 0)
            return f"{key.default // size} {unit}" if size > 1 else ""
    return ""


def _example_line(key: Key) -> str:
    readable = in_larger_units(key)
    return f"# {key.name} = {shown_default(key)}" + (f"  # {readable}" if readable else "")


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _COMMENT_COLUMNS, initial_indent="## ", subsequent_indent="## ", break_on_hyphens=False)


def _document(lines: Iterable[tuple[Key, list[str]]]) -> str:
    parts = []
    for section, of_section in groupby(lines, lambda pair: pair[0].section):
        head = [f"[{section}]"] if section else []
        parts.append("\n".join([*head, *(line for _, those in of_section for line in those)]) + "\n")
    return "\n".join(parts)
