"""The metrics of learning: what has become of feedback, and what is believed of each arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from clipper.metrics import names
from clipper.metrics.exposition import Family, family_of, split_samples


@dataclass(frozen=True, slots=True)
class ArmMetrics:
    """One arm or shadow: what was counted since it was linked, and what the policy believes.

    Parameters
    ----------
    share : float, optional
        Its probability or weight; None: it never answers, or the policy does not say.
    mean_reward : float, optional
        Lately; None before its first loss is known.
    """

    pulls: int = 0
    observations: int = 0
    rewards: float = 0.0
    share: float | None = None
    mean_reward: float | None = None


@dataclass(frozen=True, slots=True)
class LearningMetrics:
    """One application's learning; ``outcomes`` by `clipper.metrics.names.OBSERVATION_OUTCOMES`, arms by their name."""

    outcomes: Mapping[str, int] = field(default_factory=dict)
    gaps: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    plans: int = 0
    contexts: int = 0
    contexts_in_memory: int = 0
    contexts_lost: int = 0
    arms: Mapping[str, ArmMetrics] = field(default_factory=dict)


def learning_families(
    applications: Mapping[str, LearningMetrics], store_failures: Mapping[str, int]
) -> Iterator[Family]:
    """Yield the families of every application that learns, and of the store that they share."""
    each = applications.items()
    outcomes = [s for name, of in each for s in split_samples((name,), of.outcomes, names.OBSERVATION_OUTCOMES)]
    yield family_of(names.LEARNER_OBSERVATIONS, outcomes)
    yield family_of(names.LEARNER_GAPS, [((name,), of.gaps) for name, of in each])
    failures = [s for name, of in each for s in split_samples((name,), of.failures, names.POLICY_FAILURE_KINDS)]
    yield family_of(names.POLICY_FAILURES, failures)
    yield family_of(names.PLANS_PUBLISHED, [((name,), of.plans) for name, of in each])
    yield family_of(names.LEARNER_CONTEXTS, [((name,), of.contexts) for name, of in each])
    yield family_of(names.LEARNER_CONTEXTS_IN_MEMORY, [((name,), of.contexts_in_memory) for name, of in each])
    yield family_of(names.LEARNER_CONTEXTS_LOST, [((name,), of.contexts_lost) for name, of in each])
    yield from _arm_families(applications)
    calls = [((call,), store_failures.get(call, 0)) for call in names.STORE_CALLS]
    yield family_of(names.LEARNER_STORE_FAILURES, calls)


def _arm_families(applications: Mapping[str, LearningMetrics]) -> Iterator[Family]:
    labelled = [
        ((name, *_model_and_version(arm)), measured)
        for name, of in applications.items()
        for arm, measured in of.arms.items()
    ]
    yield family_of(names.ARM_PULLS, [(labels, arm.pulls) for labels, arm in labelled])
    yield family_of(names.ARM_OBSERVATIONS, [(labels, arm.observations) for labels, arm in labelled])
    yield family_of(names.ARM_REWARDS, [(labels, arm.rewards) for labels, arm in labelled])
    yield family_of(names.ARM_SHARE, [(labels, arm.share) for labels, arm in labelled if arm.share is not None])
    rewards = [(labels, arm.mean_reward) for labels, arm in labelled if arm.mean_reward is not None]
    yield family_of(names.ARM_MEAN_REWARD, rewards)


def _model_and_version(arm: str) -> tuple[str, str]:
    name, _, version = arm.partition(":")
    return name, version
