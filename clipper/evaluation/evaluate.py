"""What a policy would have earned on logged traffic: the whole way from a log to estimates."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clipper.errors import InvalidArgumentError
from clipper.evaluation import checks
from clipper.evaluation.candidate import targets_of, terms_of
from clipper.evaluation.estimates import (
    DEFAULT_CONFIDENCE,
    ESTIMATORS,
    Estimate,
    describe,
    difference,
    earned,
    effective_sample_size,
    estimate_all,
)
from clipper.evaluation.joined_log import JoinedLog
from clipper.evaluation.log_files import Progress
from clipper.evaluation.read_log import no_progress
from clipper.evaluation.replay import PLAN_INTERVAL_US, Replay
from clipper.selection import Loss, SelectionPolicy, make_loss
from clipper.selection.arm_policy import find_arm


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer. Rewards are means over the queries with feedback."""

    policy: Mapping[str, Any]
    confidence: float
    """Of the intervals."""
    earned: Estimate | None
    """What the policies in force did earn."""
    estimates: Mapping[str, Estimate]
    """Estimator -> what the candidate would have earned."""
    differences: Mapping[str, Estimate | None]
    """Estimator -> how much more that is."""
    queries: int
    effective_sample_size: float
    largest_weight: float
    mean_weight: float
    shares: Mapping[str, float]
    """Arm -> share of the queries that the candidate would have given it."""
    remarks: Sequence[str]
    log: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "policy": dict(self.policy),
            "confidence": self.confidence,
            "earned": describe(self.earned),
            "estimates": {name: describe(estimate) for name, estimate in self.estimates.items()},
            "differences": {name: describe(estimate) for name, estimate in self.differences.items()},
            "queries": self.queries,
            "effective_sample_size": round(self.effective_sample_size, 3),
            "largest_weight": self.largest_weight,
            "mean_weight": self.mean_weight,
            "shares": dict(self.shares),
            "remarks": list(self.remarks),
            "log": dict(self.log),
        }


def evaluate(
    log: JoinedLog,
    policy: SelectionPolicy,
    *,
    loss: Loss | None = None,
    is_per_context: bool = False,
    plan_interval_us: int = PLAN_INTERVAL_US,
    confidence: float = DEFAULT_CONFIDENCE,
    progress: Progress = no_progress,
) -> Evaluation:
    """Estimate what ``policy`` would have earned on the traffic of ``log``.

    Parameters
    ----------
    loss : callable, optional
        Judges the answers that an ensemble or a cascade makes of logged outputs; 0/1 loss by default.
    is_per_context : bool
        Whether the candidate learns for each context apart, as ``learning={"per_context": true}`` does.
    plan_interval_us : int
        Least time between two of its plans, on the log's clock.
    confidence : float
        Of the intervals, in (0, 1).

    Raises
    ------
    UnusableLogError
        The log cannot tell; the message says why and the hint what to do.
    InvalidArgumentError
        The policy names a model that the log does not know, or plans with one that was not linked.
    """
    if not 0.0 < confidence < 1.0:
        raise InvalidArgumentError(f"confidence={confidence!r} is not valid: expected a number between 0 and 1")
    checks.check_log(log)
    _check_models(policy, tuple(log.arms))
    replay = Replay(policy, log.rows, is_per_context=is_per_context, plan_interval_us=plan_interval_us)
    targets = targets_of(log, policy, replay, loss or make_loss(), progress)
    checks.check_targets(targets, policy.name)
    terms = terms_of(log, targets)
    return Evaluation(
        policy={"name": policy.name, **policy.values},
        confidence=confidence,
        earned=earned(terms, confidence),
        estimates=estimate_all(terms, confidence),
        differences={name: difference(terms, name, confidence) for name in ESTIMATORS},
        queries=len(log.rows),
        effective_sample_size=effective_sample_size(terms.weight),
        largest_weight=float(terms.weight.max()),
        mean_weight=float(terms.weight.mean()),
        shares={arm: float(share) for arm, share in zip(targets.arms, np.mean(targets.share, axis=0), strict=True)},
        remarks=checks.remarks_on(log, targets, terms),
        log=log.to_json(),
    )


def _check_models(policy: SelectionPolicy, arms: Sequence[str]) -> None:
    """Refuse a name that would silently stand for no model of the log."""
    for key, parameter in policy.parameters.items():
        value = policy.values.get(key)
        if value is None or (parameter.kind not in ("models", "weights") and key != "model"):
            continue
        for name in [value] if isinstance(value, str) else value:
            if find_arm(arms, name) is None:
                near = difflib.get_close_matches(name, [*arms, *(arm.partition(":")[0] for arm in arms)], 1)
                raise InvalidArgumentError(
                    f"{key}={value!r} of policy {policy.name!r}: the log knows no model {name!r}",
                    hint=f"did you mean {near[0]!r}?" if near else f"it knows: {', '.join(arms)}",
                )
