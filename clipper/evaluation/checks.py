"""Which logs cannot answer the question, and why; and what a reader of the answer has to know."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from clipper.errors import UnusableLogError
from clipper.evaluation.candidate import Targets, is_fully_known
from clipper.evaluation.decision_lines import ASKING_KINDS
from clipper.evaluation.estimates import Terms, effective_sample_size
from clipper.evaluation.joined_log import JoinedLog

MAX_INCOMPLETE_RATIO: Final = 0.01
"""Of an ensemble's queries with feedback: those where a member's output is not known."""
MAX_UNSUPPORTED_RATIO: Final = 0.001
"""Of the candidate's probability: what lies on arms that the log gave none."""
MAX_DEVIATIONS: Final = 6.0
"""By how many standard deviations counts of choices may differ from their propensities."""
MANY_DEVIATIONS: Final = 4.0
"""Beyond that a reader is warned of a mean weight that is not 1."""
FEW_EFFECTIVE: Final = 100.0
FEW_CONTEXTS: Final = 20
_CUT: Final = "choose another part of the log with --since and --until"


def check_log(log: JoinedLog) -> None:
    """Refuse a log that no policy can be evaluated on.

    Raises
    ------
    UnusableLogError
        It has no decisions, no feedback, or was not made by chance.
    """
    if not log.decisions and not log.rows:
        raise UnusableLogError("the log holds no decision", hint=f"if it should: {_CUT}" if log.feedback else "")
    _check_feedback(log)
    if log.impossible:
        raise UnusableLogError(
            f"{log.impossible:,} of {log.decisions:,} decisions have the propensity 0: what was chosen could not be",
            hint="the log was changed after it was written, or not written by Clipper; read the original",
        )
    if log.certain:
        names = ", ".join(name or "?" for name in log.policies)
        raise UnusableLogError(
            f"{log.certain:,} of {len(log.rows):,} decisions with feedback have the propensity 1 (policies of the log: "
            f"{names}): no other model had a chance, so the log does not say what others would have earned",
            hint="let a policy that explores run for a while (thompson and epsilon_greedy do; static does not), or an "
            f"ensemble, which sees every output; or {_CUT}",
        )
    cascades = sum(row.decision.kind == "cascade" and not is_fully_known(row) for row in log.rows)
    if cascades:
        raise UnusableLogError(
            f"{cascades:,} decisions with feedback are of a cascade: whether a later model was asked was no "
            "matter of chance, so the log does not say what it would have answered elsewhere",
            hint=f"let an ensemble run for a while, which sees every output; or {_CUT}",
        )
    if all(len(row.decision.arms) == 1 for row in log.rows):
        raise UnusableLogError(
            f"only one model was linked ({', '.join(log.arms)}), so there was nothing to choose",
            hint="link the others, and let a policy that explores run for a while",
        )
    _check_ensembles(log)
    _check_draws(log)


def _check_feedback(log: JoinedLog) -> None:
    if log.rows:
        return
    if log.unscored:
        raise UnusableLogError(
            f"none of the feedback gives a reward: {log.unscored_example}", hint="choose the loss function with --loss"
        )
    if log.unmatched_feedback:
        raise UnusableLogError(
            f"{log.unmatched_feedback:,} pieces of feedback, and all are about decisions that are not in the log",
            hint="read it with its rotated files (they are found beside it), or keep more of them",
        )
    raise UnusableLogError(
        f"the log holds {log.decisions:,} decisions and no feedback, so nothing is known of what any of them earned",
        hint='tell Clipper what was right: POST /APPLICATION/update {"query_id": ..., "label": ...}',
    )


def _check_ensembles(log: JoinedLog) -> None:
    """Refuse ensembles that answered early; leave out the few queries where a model failed."""
    asked = [row for row in log.rows if row.decision.kind in ASKING_KINDS]
    incomplete = sum(not is_fully_known(row) for row in asked)
    if incomplete > MAX_INCOMPLETE_RATIO * len(asked):
        by_reward = sum(row.feedback.reward is not None for row in asked)
        raise UnusableLogError(
            f"of {incomplete:,} of {len(asked):,} queries with feedback the outputs of some members are not known, or "
            "not how good they are"
            + (f" ({by_reward:,} have a reward, which is about the answer)" if by_reward else ""),
            hint="which outputs are missing depends on the others, so they cannot be left out; let all members be "
            'evaluated: policy {"name": "ensemble", "observe_all_ratio": 1} or hedge, and give labels',
        )
    if incomplete:
        log.incomplete = incomplete
        log.rows = [row for row in log.rows if row.decision.kind not in ASKING_KINDS or is_fully_known(row)]


def _check_draws(log: JoinedLog) -> None:
    """Refuse a log that contradicts itself: choices are as frequent as their probabilities, or these are not true.

    By chance six standard deviations happen once in 500 million.
    """
    for name, arm in log.arms.items():
        if arm.variance <= 1.0:
            continue
        deviations = (arm.drawn - arm.expected) / math.sqrt(arm.variance)
        if abs(deviations) > MAX_DEVIATIONS:
            raise UnusableLogError(
                f"{name} was chosen {arm.drawn:,} times, and its logged probabilities add up to {arm.expected:,.0f}: "
                "the log contradicts itself",
                hint="it is not whole (were lines filtered by model?), or its propensities are not those of the draws",
            )


def check_targets(targets: Targets, name: str) -> None:
    """Refuse a candidate that would have chosen what the log never did.

    Raises
    ------
    UnusableLogError
    """
    ratio = targets.unsupported / len(targets.weight)
    if ratio > MAX_UNSUPPORTED_RATIO:
        raise UnusableLogError(
            f"{name} would choose models with probability {ratio:.1%} where the log gave them the propensity 0, so it "
            "does not say what they would have earned",
            hint=f"let a policy that explores every model run for a while; or {_CUT}",
        )
    if not targets.weight.any():
        raise UnusableLogError(
            f"{name} would never have chosen what the log did",
            hint="every model needs to be tried: let a policy that explores run for longer",
        )


def remarks_on(log: JoinedLog, targets: Targets, terms: Terms) -> list[str]:
    """Return what a reader has to know before believing the numbers."""
    found: list[str] = []
    effective = effective_sample_size(terms.weight)
    if effective < FEW_EFFECTIVE:
        found.append(
            f"the effective sample size is {effective:.0f}: the candidate rarely agrees with the log, or feedback is "
            "rare; the intervals may be too narrow"
        )
    found += _remark_on_weights(terms)
    contexts = {row.decision.context for row in log.rows}
    if None not in contexts and len(contexts) < FEW_CONTEXTS:
        found.append(f"there are only {len(contexts)} contexts, and their queries are no independent witnesses")
    if targets.defaults:
        found.append(
            f"{targets.defaults:,} answers would be below min_confidence; the default output counts as reward 0"
        )
    if targets.unsupported > 0:
        found.append("the candidate would sometimes choose models that the log gave the propensity 0; this is left out")
    if log.defaults:
        found.append(
            f"{log.defaults:,} queries were answered with the default output; what the model said later counts instead"
        )
    if log.unscored:
        found.append(f"{log.unscored:,} pieces of feedback give no reward and are left out: {log.unscored_example}")
    if log.incomplete:
        found.append(f"{log.incomplete:,} queries of an ensemble are left out: not every member's output is known")
    if log.unmatched_feedback:
        found.append(f"{log.unmatched_feedback:,} pieces of feedback are about decisions that are not in the log")
    if log.lost:
        found.append(f"{log.lost:,} lines were lost when the log was written, in {log.gaps:,} gaps")
    if log.damaged:
        found.append(f"{log.damaged:,} lines are damaged and left out: {log.damaged_example}")
    if log.duplicates:
        found.append(f"{log.duplicates:,} lines are in the log a second time, and left out")
    return found


def _remark_on_weights(terms: Terms) -> list[str]:
    weight = terms.weight
    if len(weight) < 2:
        return []
    mean = float(weight.mean())
    sums = np.bincount(terms.clusters, weights=weight - mean)
    error = math.sqrt(float(np.square(sums).sum())) / len(weight)
    if abs(mean - 1.0) <= MANY_DEVIATIONS * error or abs(mean - 1.0) < 1e-6:
        return []
    return [
        f"the mean weight is {mean:.3f} and should be 1: whether a query has feedback depends on which model answered "
        "it; trust snips more than the others, and none of them about queries without feedback"
    ]
