"""A candidate sees the traffic and never answers; feedback says how it would have done.

"Dark launch" or "shadow mode": Breck et al., "The ML test score", IEEE Big Data 2017, test Infra 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from clipper.selection.arm_policy import ArmPolicy, find_arm
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import State


class Shadow(ArmPolicy):
    """One model answers; candidates are asked too, are never waited for, and are refused first under load."""

    name = "shadow"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "model": Parameter("text", None, "the model that answers; null, or one not linked: the first linked"),
        "candidates": Parameter("models", None, "models that are asked, and never answer; null: all others"),
    }
    model: str | None
    candidates: tuple[str, ...] | None

    @property
    def order_free(self) -> bool:
        return True

    def probabilities(self, state: State) -> Sequence[float]:
        chosen = self._chosen(state)
        return [1.0 if index == chosen else 0.0 for index in range(len(state["arms"]))]

    def plan(self, state: State, now_us: int) -> PlanSpec:
        arms, chosen = self._arms(state), self._chosen(state)
        if self.candidates is None:
            asked = set(range(len(arms)))
        else:
            found = [find_arm(arms, model) for model in self.candidates]
            asked = {index for index in found if index is not None}
        shadows = tuple(arm for index, arm in enumerate(arms) if index in asked and index != chosen)
        return PlanSpec("arms", (arms[chosen],), probabilities=(1.0,), shadows=shadows)

    def _chosen(self, state: State) -> int:
        return 0 if self.model is None else find_arm(state["arms"], self.model) or 0
