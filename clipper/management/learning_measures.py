"""What the learning of one application can be seen by: for metrics and for operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipper.metrics.learning import ArmMetrics, LearningMetrics
from clipper.selection.learner import Learner
from clipper.selection.policy import ArmSummary
from clipper.selection.state_cell import PolicyFailedError


@dataclass(frozen=True, slots=True)
class LearningDescription:
    """What `GET .../policy` tells of an application that learns."""

    plan: Mapping[str, Any] | None
    arms: Sequence[ArmSummary]
    observations: int
    contexts: int
    events: Sequence[Mapping[str, Any]]
    context: str | None = None


def measures_of(learner: Learner) -> LearningMetrics:
    """Measure a learner; called on its thread."""
    counts = learner.counts
    summary = {each.arm: each for each in _summary_or_nothing(learner)}
    arms = {}
    for arm, counted in learner.arm_counts.items():
        believed = summary.get(arm)
        arms[arm] = ArmMetrics(
            counted.pulls,
            counted.observations,
            counted.rewards,
            None if believed is None else believed.share,
            None if believed is None else believed.mean_reward,
        )
    return LearningMetrics(
        outcomes={
            "folded": counts.folded,
            "duplicate": counts.duplicates,
            "refused": counts.refused,
            "unscored": counts.unscored,
        },
        gaps=counts.gaps,
        failures=dict(counts.failures),
        plans=counts.plans,
        contexts=learner.context_count,
        contexts_in_memory=len(learner.contexts),
        contexts_lost=learner.contexts.lost,
        arms=arms,
    )


def describe(learner: Learner, context: str | None) -> LearningDescription:
    """Describe a learner, or one of its contexts if that is in memory; called on its thread."""
    found = None if context is None else learner.contexts.get(context)
    plan = learner.plan if found is None else found.plan or learner.plan
    return LearningDescription(
        plan=plan,
        arms=_summary_or_nothing(learner, None if found is None else context),
        observations=learner.observations if found is None else found.observations,
        contexts=learner.context_count,
        events=[event.to_json() for event in learner.events],
        context=None if found is None else context,
    )


def _summary_or_nothing(learner: Learner, context: str | None = None) -> list[ArmSummary]:
    try:
        return learner.summary(context)
    except PolicyFailedError as failure:
        learner.counts.fail(failure.what)
        return []
