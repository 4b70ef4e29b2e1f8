"""What gather must do, said as plainly as possible: a list with one entry a member, every completion tried out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


class Gone(Enum):
    """A member without an output."""

    PENDING = "may still answer"
    MISSED = "will not answer"


Member = str | Gone


@dataclass(frozen=True)
class Vote:
    """The output of a majority, and how many stand behind it."""

    output: str
    votes: int


def majority(members: Sequence[Member]) -> Vote | None:
    """Return the most frequent output; of several the one whose first giver comes first."""
    counts = Counter(member for member in members if isinstance(member, str))
    if not counts:
        return None
    most = max(counts.values())
    return next(Vote(m, most) for m in members if isinstance(m, str) and counts[m] == most)


def completions(members: Sequence[Member], more_outputs: Sequence[str]) -> Iterator[list[Member]]:
    """Yield every way in which the pending members may end: with an output that is there, another, or none."""
    known = sorted({member for member in members if isinstance(member, str)})
    ends: list[Member] = [*known, *more_outputs, Gone.MISSED]
    choices = [ends if member is Gone.PENDING else [member] for member in members]
    for completed in itertools.product(*choices):
        yield list(completed)


def is_decided(members: Sequence[Member], more_outputs: Sequence[str]) -> bool:
    """Is there an answer, and does every completion give the same?"""
    now = majority(members)
    if now is None:
        return False
    ends = [majority(completed) for completed in completions(members, more_outputs)]
    return all(end is not None and end.output == now.output for end in ends)
