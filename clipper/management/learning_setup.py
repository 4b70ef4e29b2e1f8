"""From the registry to learners: which applications learn, from which arms, by which policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clipper.registry.learning import Learning, effective_policy, learning_of
from clipper.registry.records import Application, RegistryState
from clipper.selection.learner_options import LearnerOptions
from clipper.selection.losses import make_loss
from clipper.selection.registry import make_policy


@dataclass(frozen=True, slots=True)
class Setup:
    """What the registry says of one application that learns.

    Parameters
    ----------
    policy : mapping
        Its document, the default one if it names none.
    arms, shadows : tuple of str
        "NAME:VERSION" of the current versions of the linked models, in link order.
    """

    policy: Mapping[str, Any]
    learning: Learning
    arms: tuple[str, ...]
    shadows: tuple[str, ...]

    def make_options(self) -> LearnerOptions:
        """Return what the learner is told.

        Raises
        ------
        InvalidArgumentError
            The policy or the loss cannot be made any more: the package of a user's own is missing, or has changed.
        """
        learning = self.learning
        return LearnerOptions(
            make_policy(self.policy),
            self.policy,
            make_loss(**learning.loss_document),
            learning.loss_document,
            has_contexts=learning.per_context,
            max_contexts=learning.max_contexts,
            context_ttl_us=learning.context_ttl_s * 1_000_000,
        )


def setups_of(state: RegistryState, excluded_arms: Callable[[str], frozenset[str]]) -> dict[str, Setup]:
    """Return the setup of every application that learns.

    Parameters
    ----------
    excluded_arms : callable
        Gives the arms of an application that may neither answer nor look on for now.
    """
    found = {}
    for application in state.applications.values():
        learning = learning_of(application)
        if learning is not None:
            arms, shadows = _arms_of(state, application, learning, excluded_arms(application.name))
            found[application.name] = Setup(effective_policy(application), learning, arms, shadows)
    return found


def _arms_of(
    state: RegistryState, application: Application, learning: Learning, excluded: frozenset[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    linked = [state.models[name] for name in application.models if name in state.models]
    current = [(model.name, f"{model.name}:{model.current_version}") for model in linked if model.current_version]
    allowed = [(name, arm) for name, arm in current if arm not in excluded] or current
    arms = tuple(arm for name, arm in allowed if name not in learning.shadows)
    shadows = tuple(arm for name, arm in allowed if name in learning.shadows)
    # Somebody has to answer: where nothing but shadows is linked, they do.
    return (arms, shadows) if arms else (shadows, ())
