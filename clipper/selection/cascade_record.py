"""What one stage of a cascade got right, by how sure it was; and the threshold that follows."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from clipper.selection.plan_spec import ALWAYS_ESCALATE

Floats = npt.NDArray[np.float64]

# Lower edges of the bins of confidence: close where a softmax puts most of its outputs. Also the possible thresholds.
EDGES: Final = (
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98,
    0.985, 0.99, 0.995, 0.999, 0.9999,
)  # fmt: skip
THRESHOLDS: Final = (*EDGES, ALWAYS_ESCALATE)
FIELDS: Final = ("seen", "right", "later_seen", "later_right")
# What the average of all bins counts for in a bin, in observations: a bin that was never escalated has nothing else.
_PRIOR: Final = 5.0

Record = dict[str, list[float]]
"""A list per name in `FIELDS`, one number a bin: queries of which the stage's output is known, the sum of their
rewards, those of them that a later stage answered too, and the rewards of those later answers."""


def empty_record() -> Record:
    """Return the record of a stage of which nothing is known."""
    return {name: [0.0] * len(EDGES) for name in FIELDS}


def is_record(value: Any) -> bool:
    """Whether a value out of a store is a record."""
    if not isinstance(value, Mapping) or set(value) != set(FIELDS):
        return False
    lists = value.values()
    if not all(isinstance(each, list) and len(each) == len(EDGES) for each in lists):
        return False
    numbers = [number for each in lists for number in each]
    return all(isinstance(number, int | float) and 0 <= number < float("inf") for number in numbers)


def note(record: Record, confidence: float, reward: float, later_reward: float | None, discount: float) -> None:
    """Add one query; what was there before counts ``discount`` times as much as it did."""
    place = max(0, bisect.bisect_right(EDGES, confidence) - 1)
    _add(record, "seen", "right", place, reward, discount)
    if later_reward is not None:
        _add(record, "later_seen", "later_right", place, later_reward, discount)


def _add(record: Record, count: str, total: str, place: int, reward: float, discount: float) -> None:
    if discount < 1.0:
        record[count] = [each * discount for each in record[count]]
        record[total] = [each * discount for each in record[total]]
    record[count][place] += 1.0
    record[total][place] += reward


@dataclass(frozen=True, slots=True)
class StageCurve:
    """One stage at each possible threshold; arrays of shape (thresholds,), everything as a share of its queries.

    Parameters
    ----------
    escalated : ndarray
        Queries whose confidence is below the threshold.
    accuracy : ndarray
        Expected reward of the answers: the stage's own from the threshold on, a later stage's below it.
    queries : float
        What the curve rests on.
    """

    escalated: Floats
    accuracy: Floats
    queries: float


def curve_of(record: Record) -> StageCurve:
    """Return what each threshold would have done."""
    seen, right = np.array(record["seen"]), np.array(record["right"])
    later_seen, later_right = np.array(record["later_seen"]), np.array(record["later_right"])
    total = max(float(seen.sum()), 1e-12)
    # Never escalated: later stages are thought perfect, so that they are tried.
    average = float(later_right.sum() / later_seen.sum()) if later_seen.sum() > 0 else 1.0
    later = seen * (later_right + _PRIOR * average) / (later_seen + _PRIOR)
    own = _below(right) / total
    return StageCurve(_below(seen) / total, own[-1] - own + _below(later) / total, total)


def _below(values: Floats) -> Floats:
    """Return the sum of the bins below each possible threshold, from none of them to all."""
    return np.concatenate([np.zeros(1), np.cumsum(values)])
