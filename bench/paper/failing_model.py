"""The scenario of Figure 8: five classifiers of known error, of which the best fails for a while.

The paper (Section 5.1) degrades the best of five CIFAR-10 models from query 5,000 to 10,000 of 20,000. How bad it was
then is not stated; here it is wrong nine times out of ten. The models are simulated containers, whose answers follow
from the query's number: the same function tells here what every static choice would have got on the very same queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.selection.worlds import DEGRADED_ERROR, PAPER_ERRORS
from model_containers.simulated.labels import Integers, LabelErrors

CLASSES: Final = 10
ERROR_RATIOS: Final = PAPER_ERRORS
DEGRADED_ERROR_RATIO: Final = DEGRADED_ERROR
BEST: Final = len(ERROR_RATIOS) - 1
SHARED_RATIO: Final = 0.7  # of the correlated set: most queries that are hard are hard for all
# Each run has numbers of its own, so that no answer comes out of the prediction cache of another one.
NUMBERS_OF_A_RUN: Final = 1 << 20


@dataclass(frozen=True)
class Scale:
    """How many queries, when the best model fails, and how often all of it is repeated."""

    queries: int = 20_000
    fails_at: int = 5_000
    recovers_at: int = 10_000
    seeds: int = 10

    @property
    def phases(self) -> tuple[slice, slice, slice]:
        """The queries before, during and after the failure."""
        return slice(self.fails_at), slice(self.fails_at, self.recovers_at), slice(self.recovers_at, self.queries)


FULL: Final = Scale()
QUICK: Final = Scale(queries=160, fails_at=40, recovers_at=80, seeds=2)


def model_name(member: int, *, is_correlated: bool) -> str:
    """Return the name of a member; the two sets of models are deployed side by side."""
    return f"{'correlated' if is_correlated else 'independent'}-{member + 1}"


def environment_of(member: int, *, is_correlated: bool) -> dict[str, str]:
    """Return what tells a simulated container to be this member."""
    errors = errors_of(member, is_correlated=is_correlated)
    values: Mapping[str, Any] = {
        "classes": errors.classes,
        "error_ratio": errors.error_ratio,
        "degraded_error_ratio": errors.degraded_error_ratio,
        "shared_ratio": errors.shared_ratio,
        "seed": errors.seed,
    }
    return {f"CLIPPER_SIMULATED_{name.upper()}": str(value) for name, value in values.items()}


def errors_of(member: int, *, is_correlated: bool) -> LabelErrors:
    """Return when this member errs."""
    error_ratio = ERROR_RATIOS[member]
    return LabelErrors(
        classes=CLASSES,
        error_ratio=error_ratio,
        degraded_error_ratio=DEGRADED_ERROR_RATIO if member == BEST else error_ratio,
        shared_ratio=SHARED_RATIO if is_correlated else 0.0,
        seed=member + 1,
    )


@dataclass(frozen=True)
class Script:
    """The queries of one run: true labels, numbers, and for which the best model is degraded; shape (queries,)."""

    labels: Integers
    numbers: Integers
    is_degraded: np.ndarray[Any, np.dtype[np.bool_]]

    @classmethod
    def write(cls, scale: Scale, run: int, seed: int) -> Script:
        """Draw the queries of one seed of the run with this number."""
        first = (run * scale.seeds + seed) * NUMBERS_OF_A_RUN
        at = np.arange(scale.queries)
        labels = np.random.default_rng([run, seed]).integers(CLASSES, size=scale.queries)
        return cls(labels, first + at, (scale.fails_at <= at) & (at < scale.recovers_at))

    def input(self, at: int) -> tuple[int, int, int]:
        """Return the input of one query, as the simulated container reads it."""
        return int(self.labels[at]), int(self.numbers[at]), int(self.is_degraded[at])

    def answers(self, *, is_correlated: bool) -> Integers:
        """Return what each member answers to each query; shape (members, queries)."""
        members = range(len(ERROR_RATIOS))
        of_all = [errors_of(member, is_correlated=is_correlated) for member in members]
        return np.stack([errors.answers(self.labels, self.numbers, self.is_degraded) for errors in of_all])


def phase_ratios(member: int) -> tuple[float, float, float]:
    """Return a model's expected error before, during and after the failure."""
    healthy = ERROR_RATIOS[member]
    return healthy, DEGRADED_ERROR_RATIO if member == BEST else healthy, healthy


def oracle_ratio(scale: Scale) -> float:
    """Return the expected error of whoever knows which single model is best in each phase."""
    healthy = scale.queries - (scale.recovers_at - scale.fails_at)
    return (healthy * min(ERROR_RATIOS) + (scale.queries - healthy) * sorted(ERROR_RATIOS)[1]) / scale.queries


def static_ratios(scale: Scale) -> Sequence[float]:
    """Return the expected error of each model when it alone is asked throughout."""
    failing_share = (scale.recovers_at - scale.fails_at) / scale.queries
    best = failing_share * DEGRADED_ERROR_RATIO + (1 - failing_share) * ERROR_RATIOS[BEST]
    return (*ERROR_RATIOS[:BEST], best)
