"""Reads what callgrind wrote: instructions by function and object file, and how often the allocator was entered.

Only what the options in `OPTIONS` leave of the format is read (valgrind's manual, "Callgrind Format Specification"):
lines ``ob=``, ``fn=``, ``calls=`` and costs, the latter one for each machine instruction. The cost line behind
``calls=`` is the callee's, inclusive; it is counted where it arises and skipped here.

Calls are not taken from ``calls=``: callgrind counts those even while it collects nothing, so they would include the
driver's. How often a function was entered is how often its first instruction was executed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

OPTIONS = ("--compress-strings=no", "--compress-pos=no", "--demangle=no", "--dump-instr=yes", "--dump-line=no")

ALLOCATING = frozenset({"malloc", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc"})
"""All ways to memory end in one of these: operator new, PyMem_Malloc, and PyObject_Malloc where PYTHONMALLOC=malloc."""

_RECURSION = re.compile(r"'\d+$")
_COST = re.compile(r"^(0x[0-9a-f]+) (\d+)$")


@dataclass
class Profile:
    """What one part of a program's run cost.

    Parameters
    ----------
    instructions : Counter of (object file, function)
        Without those of the functions called. The object file is a name without directories.
    entered : Counter of function
        How often each of the allocator's functions was entered. A realloc of nothing enters malloc, too.
    """

    instructions: Counter[tuple[str, str]] = field(default_factory=Counter)
    entered: Counter[str] = field(default_factory=Counter)

    @property
    def allocations(self) -> int:
        """Entries of the C library's allocator."""
        return self.entered.total()


class ProfileError(Exception):
    """A profile is not what callgrind writes with the options that it was given."""


def parse_profile(lines: Iterable[str]) -> Profile:
    """Read one dump.

    Raises
    ------
    ProfileError
        If a cost stands outside of any function, or is not one address and one number.
    """
    profile = Profile()
    allocator: dict[str, dict[int, int]] = {}
    object_name = function = ""
    is_inclusive = False
    for number, line in enumerate(lines, 1):
        key, separator, value = line.rstrip("\n").partition("=")
        if separator and key == "ob":
            object_name = value.rsplit("/", 1)[-1]
        elif separator and key == "fn":
            function = _RECURSION.sub("", value)
        elif separator and key == "calls":
            is_inclusive = True
        elif match := _COST.match(line):
            if not is_inclusive:
                if not function:
                    raise ProfileError(f"line {number}: a cost outside of any function: {line!r}")
                cost = int(match[2])
                profile.instructions[object_name, function] += cost
                if function in ALLOCATING and object_name.startswith("libc."):
                    costs = allocator.setdefault(function, {})
                    address = int(match[1], 16)
                    costs[address] = costs.get(address, 0) + cost
            is_inclusive = False
        elif line[:1] in set("+-*0123456789"):
            raise ProfileError(f"line {number}: expected one address and one cost, found {line!r}")
    for name, costs in allocator.items():
        profile.entered[name] = costs[min(costs)]
    return profile


def read_dumps(base: Path) -> list[Profile]:
    """Read ``base.1``, ``base.2``, ... as callgrind numbers the dumps of one process."""
    profiles: list[Profile] = []
    while (path := base.with_name(f"{base.name}.{len(profiles) + 1}")).exists():
        with path.open(encoding="utf-8", errors="replace") as file:
            profiles.append(parse_profile(file))
    return profiles
