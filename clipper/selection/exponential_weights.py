"""Sums of losses, and the weights exp(-eta * sum) that follow from them, without overflow or underflow of the sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

# exp(-745) is the smallest double above 0; a share is never mixed from less.
_LARGEST_EXPONENT: Final = 700.0


def weights_of(sums: Sequence[float], eta: float) -> list[float]:
    """Return exp(-eta * sum) for each sum, scaled so that they add up to 1."""
    least = min(sums)
    weights = [math.exp(-min(_LARGEST_EXPONENT, eta * (each - least))) for each in sums]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def share(sums: list[float], eta: float, ratio: float) -> None:
    """Let each weight give ``ratio`` of itself to all (fixed share: Herbster and Warmuth, 1998), in terms of sums.

    Afterwards no weight is below ratio / n, so an arm that was bad for a million rounds is back after
    ln(n / ratio) / eta good ones.
    """
    weights = weights_of(sums, eta)
    gift = ratio / len(sums)
    sums[:] = [-math.log((1.0 - ratio) * weight + gift) / eta for weight in weights]


def from_zero(sums: list[float]) -> None:
    """Shift sums so that the least is 0: weights depend on differences alone, and doubles count small numbers best."""
    least = min(sums)
    if least != 0.0:
        sums[:] = [each - least for each in sums]


def bound(sums: list[float], most: float) -> None:
    """Let no sum exceed the least by more than ``most``."""
    limit = min(sums) + most
    sums[:] = [min(limit, each) for each in sums]
