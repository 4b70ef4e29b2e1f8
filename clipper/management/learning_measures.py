"""What the learning of one application can be seen by: for metrics and for operators."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipper.metrics.learning import ArmMetrics, LearningMetrics
from clipper.selection.contexts import Context
from clipper.selection.learner import Learner
from clipper.selection.policy import ArmSummary
from clipper.selection.state_cell import PolicyFailedError
from clipper.state.store import Document


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


def describe(learner: Learner, key: str | None, stored: Mapping[str, Document], now_us: int) -> LearningDescription:
    """Describe a learner, or one of its contexts, be that in memory or only in the store; called on its thread."""
    context = None if key is None else _context(learner, key, stored, now_us)
    plan = learner.plan if context is None else context.plan or learner.plan
    return LearningDescription(
        plan=plan,
        arms=_summary_or_nothing(learner, context),
        observations=learner.observations if context is None else context.observations,
        contexts=learner.context_count,
        events=[event.to_json() for event in learner.events],
        context=None if context is None else key,
    )


def _context(learner: Learner, key: str, stored: Mapping[str, Document], now_us: int) -> Context | None:
    document = stored.get(learner.context_key(key))
    context = learner.contexts.get(key)
    if context is None and document is not None:
        with contextlib.suppress(LookupError, TypeError, ValueError):  # then it begins anew with its next feedback
            context = Context.from_document(document, learner.arms)
    return None if context is None or now_us - context.seen_us > learner.options.context_ttl_us else context


def _summary_or_nothing(learner: Learner, context: Context | None = None) -> list[ArmSummary]:
    try:
        return learner.summary(context)
    except PolicyFailedError as failure:
        learner.counts.fail(failure.what)
        return []
