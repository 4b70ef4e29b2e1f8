"""Reads what callgrind wrote: instructions by function and object file, and how often a function was called.

Only the part of the format that ``--compress-strings=no --compress-pos=no`` leaves is read (valgrind's manual, "Callgrind
Format Specification"): lines ``ob=``, ``fn=``, ``cfn=``, ``calls=`` and costs. The cost line behind ``calls=`` is the
callee's, inclusive; it is counted where it arises and skipped here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ALLOCATING = frozenset({"malloc", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc"})
"""Every other way to memory (operator new, PyMem_Malloc, PyObject_Malloc by PYTHONMALLOC=malloc) ends in one of these."""

_RECURSION = re.compile(r"'\d+$")
_COST = re.compile(r"^[+\-*\d]\S* (\d+)$")


@dataclass
class Profile:
    """What one part of a program's run cost.

    Parameters
    ----------
    instructions : Counter of (object file, function)
        Without those of the functions called. The object file is a name without directories.
    calls : Counter of function
    """

    instructions: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def allocations(self) -> int:
        """Calls of the C library's allocator; a realloc counts as one."""
        return sum(self.calls[name] for name in ALLOCATING)


class ProfileError(Exception):
    """A profile is not what callgrind writes with the options that it was given."""


def parse_profile(lines: Iterable[str]) -> Profile:
    """Read one dump.

    Raises
    ------
    ProfileError
        If a cost stands before any function, or a line means nothing.
    """
    profile = Profile()
    object_name = function = called = ""
    is_inclusive = False
    for number, line in enumerate(lines, 1):
        key, separator, value = line.rstrip("\n").partition("=")
        if separator and key == "ob":
            object_name = value.rsplit("/", 1)[-1]
        elif separator and key == "fn":
            function = _RECURSION.sub("", value)
        elif separator and key == "cfn":
            called = _RECURSION.sub("", value)
        elif separator and key == "calls":
            profile.calls[called] += int(value.split()[0])
            is_inclusive = True
        elif match := _COST.match(line):
            if not is_inclusive:
                if not function:
                    raise ProfileError(f"line {number}: a cost outside of any function: {line!r}")
                profile.instructions[object_name, function] += int(match[1])
            is_inclusive = False
        elif line[:1] in set("+-*0123456789"):
            raise ProfileError(f"line {number}: expected one position and one cost, found {line!r}")
    return profile


def read_dumps(base: Path) -> list[Profile]:
    """Read ``base.1``, ``base.2``, ... as callgrind numbers the dumps of one process."""
    profiles: list[Profile] = []
    while (path := base.with_name(f"{base.name}.{len(profiles) + 1}")).exists():
        with path.open(encoding="utf-8", errors="replace") as file:
            profiles.append(parse_profile(file))
    return profiles
