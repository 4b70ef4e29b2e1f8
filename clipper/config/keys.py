"""The names of all options, as they are written in every source, and the nearest one to a name that is none of them."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from clipper.config.instance import ClipperConfig
from clipper.config.option import Option, about, default_of, is_option, types_of

RUN_DIR: Final = "run_dir"
VARIABLE_PREFIX: Final = "CLIPPER_"
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


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known name that ``name`` was likely meant to be, or the known names if they are few."""
    names = list(known)
    for candidates, meant in ((names, name), ([one.rpartition(".")[2] for one in names], name.rpartition(".")[2])):
        # The second round looks at the last part alone: the right field under the wrong section.
        match = difflib.get_close_matches(meant, candidates, 1, cutoff=0.6)
        if match:
            return f"did you mean {names[candidates.index(match[0])]!r}?"
    return f"known: {', '.join(names)}" if len(names) <= 16 else "`clipper config` lists the known ones"
