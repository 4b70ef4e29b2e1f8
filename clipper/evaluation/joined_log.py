"""Decisions joined with their feedback, and what was counted on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clipper.evaluation.decision_lines import Decision, Feedback


@dataclass(frozen=True, slots=True)
class Row:
    """One query with feedback."""

    decision: Decision
    feedback: Feedback
    rewards: Mapping[str, float]
    """Arm -> reward = 1 - loss, of the arms whose output and loss are known."""
    earned: float | None
    """Reward of what was answered; None where that is not known."""


@dataclass(slots=True)
class ArmCounts:
    """How often an arm was chosen, and how often it should have been."""

    chosen: int = 0
    expected: float = 0.0
    """Sum of its probabilities, over the decisions without a context that log them."""
    drawn: int = 0
    """Of ``chosen``, those of these decisions."""
    variance: float = 0.0
    """Of ``drawn``, if the draws are what the log says."""
    with_feedback: int = 0


@dataclass(slots=True)
class JoinedLog:
    """A decision log, read.

    ``rows`` are in the order of the decisions, and only of queries with feedback: nothing else is kept.
    """

    application: str = ""
    rows: list[Row] = field(default_factory=list)
    decisions: int = 0
    decisions_by_kind: Counter[str] = field(default_factory=Counter)
    policies: Counter[str] = field(default_factory=Counter)
    first_at_us: int = 0
    last_at_us: int = 0
    arms: dict[str, ArmCounts] = field(default_factory=dict)
    certain: int = 0
    """Decisions with feedback, between several arms, whose logged propensity is 1."""
    impossible: int = 0
    """Decisions whose logged propensity is 0."""
    feedback: int = 0
    by_input: int = 0
    """Of the rows, feedback by input: no query was answered there, and every model's output is known."""
    defaults: int = 0
    """Of the rows, queries that were answered with the default output; what the model said later counts."""
    duplicates: int = 0
    """Decisions and feedback that the log holds a second time; the first counts."""
    unmatched_feedback: int = 0
    """Feedback whose decision is not in the log."""
    unscored: int = 0
    """Feedback that gives no loss: its loss function refused it, or the output that it is about is not logged."""
    unscored_example: str = ""
    incomplete: int = 0
    """Queries of an ensemble with feedback that are left out, since the output of a member is not known."""
    gaps: int = 0
    lost: int = 0
    damaged: int = 0
    damaged_example: str = ""
    torn: bool = False
    """The last line was being written when the log was read."""
    other_applications: Counter[str] = field(default_factory=Counter)

    def count(self, decision: Decision) -> None:
        """Take a decision into the counts, whether or not it has feedback."""
        self.decisions += 1
        self.decisions_by_kind[decision.kind] += 1
        self.policies[decision.policy] += 1
        if self.decisions == 1:
            self.first_at_us = self.last_at_us = decision.at_us
        self.first_at_us = min(self.first_at_us, decision.at_us)
        self.last_at_us = max(self.last_at_us, decision.at_us)
        for arm in decision.arms:
            self.arms.setdefault(arm, ArmCounts())
        if decision.chosen is None or decision.propensity is None:
            return
        self.impossible += decision.propensity <= 0.0
        self.arms[decision.chosen].chosen += 1
        # Of queries with a context the draw may be sticky, hence not independent: nothing can be counted off.
        if decision.probabilities is not None and decision.context is None:
            self.arms[decision.chosen].drawn += 1
            for arm, probability in zip(decision.arms, decision.probabilities, strict=True):
                self.arms[arm].expected += probability
                self.arms[arm].variance += probability * (1.0 - probability)

    def join(self, row: Row) -> None:
        """Take a query with feedback."""
        self.rows.append(row)
        decision = row.decision
        for arm in decision.arms:
            self.arms.setdefault(arm, ArmCounts())
        if decision.kind == "input":
            self.by_input += 1
        if decision.chosen is not None and decision.propensity is not None:
            self.arms[decision.chosen].with_feedback += 1
            self.certain += decision.propensity >= 1.0 and len(decision.arms) > 1

    def to_json(self) -> dict[str, Any]:
        """Return what was counted, as JSON."""
        return {
            "application": self.application,
            "decisions": self.decisions,
            "decisions_by_kind": dict(self.decisions_by_kind),
            "policies": dict(self.policies),
            "first_at_us": self.first_at_us,
            "last_at_us": self.last_at_us,
            "feedback": self.feedback,
            "joined": len(self.rows),
            "by_input": self.by_input,
            "defaults": self.defaults,
            "arms": {
                name: {"chosen": arm.chosen, "expected": round(arm.expected, 3), "with_feedback": arm.with_feedback}
                for name, arm in self.arms.items()
            },
            "duplicates": self.duplicates,
            "unmatched_feedback": self.unmatched_feedback,
            "unscored": self.unscored,
            "incomplete": self.incomplete,
            "gaps": self.gaps,
            "lost": self.lost,
            "damaged": self.damaged,
        }
