"""What is known of an application's policy, as small immutable records that show themselves as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from clipper.client.listings import Listing, Record


@dataclass(frozen=True, slots=True)
class ArmInfo(Record):
    """One model of an application (``name:version``), as its policy sees it.

    ``share`` is its probability of being asked, its weight in a vote, or of a cascade the part of queries it answered.
    The reward is 1 minus the loss, on average over about the last 1,000 of them, with the 95% interval of that mean.
    """

    columns = ("arm", "share", "pulls", "mean_reward", "interval_low", "interval_high")

    arm: str
    share: float | None = None
    pulls: int = 0  # how often its loss became known
    mean_reward: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class PolicyInfo(Record):
    """How an application chooses among its models, and what it has learned so far."""

    policy: Mapping[str, Any]
    learning: Mapping[str, Any] | None = None  # with every default; None: it takes no feedback
    plan: Mapping[str, Any] | None = None  # in force: what queries are answered by
    arms: Listing[ArmInfo] = field(default_factory=lambda: Listing(ArmInfo, ()))
    observations: int = 0  # feedback that was learned from
    contexts: int = 0  # users or sessions that something is known of
    context: str | None = None  # whose plan and arms these are; None = everybody's
    events: tuple[Mapping[str, Any], ...] = ()  # changes that were noticed, the latest last

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Return the record of one JSON object."""
        known = {name: answer[name] for name in cls.__dataclass_fields__ if name in answer}
        known["arms"] = Listing(ArmInfo, map(ArmInfo.from_answer, answer.get("arms", ())))
        known["events"] = tuple(answer.get("events", ()))
        return cls(**known)

    def __repr__(self) -> str:
        return f"policy {self.policy['name']}, {self.observations} observations\n{self.arms!r}"

    def _repr_html_(self) -> str:
        return self.arms._repr_html_()
