"""What a learner is told when it is made, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clipper.selection.contexts import DEFAULT_MAX_CONTEXTS
from clipper.selection.observation import Loss
from clipper.selection.policy import SelectionPolicy

DEFAULT_CONTEXT_TTL_US: Final = 7 * 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class LearnerOptions:
    """One application's policy, and how it learns.

    Parameters
    ----------
    policy_document : mapping
        What ``policy`` was made of. State that was learned under another one is not read.
    loss_document : mapping
        What ``loss`` was made of, likewise.
    has_contexts : bool
        Whether each context has a state of its own beside the population's.
    max_contexts : int
        Contexts in memory; see `ContextTable`.
    context_ttl_us : int
        A context that nothing was observed of for longer is forgotten.
    """

    policy: SelectionPolicy
    policy_document: Mapping[str, Any]
    loss: Loss
    loss_document: Mapping[str, Any] = field(default_factory=dict)
    has_contexts: bool = False
    max_contexts: int = DEFAULT_MAX_CONTEXTS
    context_ttl_us: int = DEFAULT_CONTEXT_TTL_US


@dataclass(slots=True)
class ArmCounts:
    """What was observed of one arm since it was linked; survives a restart."""

    pulls: int = 0  # it had a part in the answer
    observations: int = 0  # its loss is known
    rewards: float = 0.0  # the sum of 1 - loss over these

    def to_json(self) -> list[float]:
        """Return the numbers in their order."""
        return [self.pulls, self.observations, self.rewards]


@dataclass(slots=True)
class LearnerCounts:
    """What has become of observations; counted since this process began to learn for the application."""

    folded: int = 0
    duplicates: int = 0  # came again, with the same sequence number
    refused: int = 0  # were none
    unscored: int = 0  # outputs that the loss function could not compare with their label
    gaps: int = 0  # sequence numbers that never came
    plans: int = 0
    failures: dict[str, int] = field(default_factory=dict)  # of the policy, by what it was doing
    contexts_begun: int = 0
    contexts_expired: int = 0

    def fail(self, what: str) -> None:
        """Count a failure of the policy."""
        self.failures[what] = self.failures.get(what, 0) + 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an operator may want to know of an application's learning."""

    at_us: int  # wall clock
    kind: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return {"at_us": self.at_us, "kind": self.kind, "text": self.text}
