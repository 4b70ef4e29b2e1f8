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
    """The output with the most votes, and how many these are."""

    output: str
    votes: int


def majority(members: Sequence[Member]) -> Vote | None:
    """Return the most frequent output; of several the one whose first giver comes first."""
    return weighted(members, [1] * len(members))


def shares_of(weights: Sequence[float]) -> list[int]:
    """Return weights as whole numbers that sum up to about 2**52."""
    largest = max(weights)
    parts = [weight / largest for weight in weights]
    total = 0.0
    for part in parts:
        total += part
    return [round(part / total * 2.0**52) for part in parts]


def weighted(members: Sequence[Member], shares: Sequence[int]) -> Vote | None:
    """Return the output with the largest sum of shares; of several the one whose first giver comes first."""
    sums: Counter[str] = Counter()
    for member, share in zip(members, shares, strict=True):
        if isinstance(member, str):
            sums[member] += share
    if not sums:
        return None
    most = max(sums.values())
    return next(Vote(m, most) for m in members if isinstance(m, str) and sums[m] == most)


def told(members: Sequence[Member], shares: Sequence[int], min_confidence: float) -> str | None:
    """Return the output that is given: none if there is none, or if too little of all the shares stands behind it."""
    vote = weighted(members, shares)
    return None if vote is None or vote.votes / sum(shares) < min_confidence else vote.output


def completions(members: Sequence[Member], more_outputs: Sequence[str]) -> Iterator[list[Member]]:
    """Yield every way in which the pending members may end: with an output that is there, another, or none."""
    known = sorted({member for member in members if isinstance(member, str)})
    ends: list[Member] = [*known, *more_outputs, Gone.MISSED]
    choices = [ends if member is Gone.PENDING else [member] for member in members]
    for completed in itertools.product(*choices):
        yield list(completed)


def is_decided(
    members: Sequence[Member],
    more_outputs: Sequence[str],
    shares: Sequence[int] | None = None,
    min_confidence: float = 0.0,
) -> bool:
    """Is there an output, and does every completion give the same answer, or the same default output?"""
    shares = shares or [1] * len(members)
    if weighted(members, shares) is None:
        return False
    now = told(members, shares, min_confidence)
    return all(told(end, shares, min_confidence) == now for end in completions(members, more_outputs))
