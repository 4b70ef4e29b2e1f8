"""The vote of all models as one more expert: what it would have answered, and how the models' votes count in it.

A model's vote counts log((1 - e) m / e), e being its recent error and m the number of wrong answers that one can give
(Nitzan and Paroush, "Optimal decision rules in uncertain dichotomous choice situations", International Economic Review
23(2), 1982, where m = 1): no rule is better where models err independently of each other. What m is, models tell that
err together: by how rarely two of them say the same. Where errors are common to all, the vote is no better than its
best member, and the expert loses its weight to that one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from typing import Any, Final

from clipper.selection.observation import ABSENT

RECENT: Final = 1 / 200
"""Weight of a new loss in a model's recent error."""
PAIR_DISCOUNT: Final = 0.999
MOST_WRONG_ANSWERS: Final = 100.0
_LEAST_ERROR: Final = 1e-3
_LEAST_VOTE: Final = 1e-6  # of a model that is no better than chance; its vote breaks ties


def recent_error(error: float, pulls: int, loss: float) -> float:
    """Return a model's error after another loss: of the first ones their mean, beginning at 1/2; later a moving one."""
    return error + (loss - error) * max(RECENT, 1 / (pulls + 2))


def vote_weights(errors: Sequence[float], wrong_pairs: float, alike_pairs: float) -> list[float]:
    """Return by how much the models' votes count, scaled to a sum of 1.

    Parameters
    ----------
    errors : sequence of float
        Recent error of each model, in [0, 1].
    wrong_pairs, alike_pairs : float
        Discounted counts of pairs of models that both erred, and of those among them that said the same.
    """
    wrong_answers = min(MOST_WRONG_ANSWERS, max(1.0, (wrong_pairs + 2.0) / (alike_pairs + 1.0)))
    votes = []
    for error in errors:
        clipped = min(1.0 - _LEAST_ERROR, max(_LEAST_ERROR, error))
        votes.append(max(_LEAST_VOTE, math.log((1.0 - clipped) * wrong_answers / clipped)))
    total = math.fsum(votes)
    return [vote / total for vote in votes]


def ballot_of(output: Any) -> Hashable | None:
    """Return what is equal for equal outputs, as the core compares them: by their JSON. None: there is no output."""
    if output is ABSENT:
        return None
    if output.__class__ in (str, int, float, bool):
        return (output.__class__, output)
    return json.dumps(output, sort_keys=True)


def winner_of(ballots: Sequence[Hashable], weights: Sequence[float]) -> Hashable:
    """Return the output that most weight stands behind; of several the one that was given first."""
    behind: dict[Hashable, float] = {}
    for ballot, weight in zip(ballots, weights, strict=True):
        behind[ballot] = behind.get(ballot, 0.0) + weight
    return max(behind, key=lambda ballot: round(behind[ballot], 12))


def count_pairs(wrong_ballots: Sequence[Hashable]) -> tuple[int, int]:
    """Return how many pairs there are of models that erred, and how many of them said the same."""
    count = len(wrong_ballots)
    alike = sum(one == other for index, one in enumerate(wrong_ballots) for other in wrong_ballots[index + 1 :])
    return count * (count - 1) // 2, alike
