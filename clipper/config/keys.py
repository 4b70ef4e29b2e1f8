"""The names of all options, as they are written in every source, and the one nearest to a name that is none of them."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from clipper.config.instance import ClipperConfig
from clipper.config.option import Option, about, default_of, is_option, types_of

RUN_DIR: Final = "run_dir"
VARIABLE_PREFIX: Final = "CLIPPER_"
_LIKENESS: Final = 0.65  # of difflib: a letter lost, doubled or swapped, or one word of several
SEPARATOR: Final = "__"  # between section and field in a variable's name: both have single underscores inside


@dataclass(frozen=True, slots=True)
class Key:
    """One option: ``section.name``, or ``name`` alone at the top.

    Parameters
    ----------
    section : str
        Empty at the top.
    kind : type
        As the field declares it.
    about : Option
        Meaning and range.
    default : object
        Of ``run_dir`` there is none here: it depends on the user.
    """

    section: str
    name: str
    kind: Any
    about: Option
    default: Any

    def __str__(self) -> str:
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        inner = f"{self.section}{SEPARATOR}{self.name}" if self.section else self.name
        return VARIABLE_PREFIX + inner.upper()


@functools.cache
def sections() -> Mapping[str, type[Any]]:
    """Return the dataclass of each section, in the order of `ClipperConfig`."""
    kinds = types_of(ClipperConfig)
    return {field.name: kinds[field.name] for field in fields(ClipperConfig) if is_dataclass(kinds[field.name])}


@functools.cache
def keys() -> Mapping[str, Key]:
    """Return every option by its full name, in the order of declaration."""
    found = [Key("", RUN_DIR, Path, about(ClipperConfig, RUN_DIR), None)]
    for section, owner in sections().items():
        kinds = types_of(owner)
        found += [
            Key(section, field.name, kinds[field.name], about(owner, field.name), default_of(owner, field.name))
            for field in fields(owner)
            if is_option(owner, field.name)
        ]
    return {str(key): key for key in found}


def nearest_key(name: str) -> Key | None:
    """Return the option that ``name`` was likely meant to be, by its whole name or, failing that, by its last part."""
    by_last_part = {key.name: key for key in keys().values()}
    for candidates, meant in ((keys(), name), (by_last_part, name.rpartition(".")[2])):
        match = difflib.get_close_matches(meant, candidates, 1, cutoff=_LIKENESS)
        if match:
            return candidates[match[0]]
    return None


def nearest_section(name: str) -> str:
    """Return a hint with the section that ``name`` was likely meant to be, or all of them."""
    match = difflib.get_close_matches(name, sections(), 1, cutoff=_LIKENESS)
    return f"did you mean [{match[0]}]?" if match else f"there are: {', '.join(sections())}"
