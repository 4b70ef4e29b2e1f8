"""The same user, the same model: a draw that depends on the context alone.

The core does the same in C for plans with ``sticky``; this is its definition, and its twin in tests. FNV-1a (Fowler,
Noll, Vo) over the UTF-8 text, then the finaliser of splitmix64 (Steele et al., OOPSLA 2014), which spreads what FNV
leaves in the low bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_WORD: Final = (1 << 64) - 1


def sticky_draw(context: str) -> float:
    """Return a number in [0, 1), uniform over contexts."""
    word = 0xCBF29CE484222325
    for byte in context.encode():
        word = ((word ^ byte) * 0x100000001B3) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return float((word ^ (word >> 31)) >> 11) * 2.0**-53


def drawn(probabilities: Sequence[float], uniform: float) -> int:
    """Return the index that a number in [0, 1) falls on: the first whose cumulated probability exceeds it.

    An index of probability 0 is never returned, rounding of the sum included.
    """
    reached = 0.0
    last = 0
    for index, probability in enumerate(probabilities):
        if probability > 0.0:
            reached += probability
            last = index
            if uniform < reached:
                return index
    return last
