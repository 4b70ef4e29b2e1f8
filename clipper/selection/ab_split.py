"""Fixed shares of the traffic, and the same user always sees the same model.

Kohavi, Longbotham, Sommerfield and Henne, "Controlled experiments on the web", DMKD 18, 2009, section 4.1: assignment
by a hash of the user, so that it needs no memory and holds on every frontend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from clipper.selection.arm_policy import ArmPolicy, find_arm
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import State


class AbSplit(ArmPolicy):
    """An experiment: shares are given, not learned; the propensity of each answer is logged.

    When shares change, only as many contexts change their model as must: see `clipper.selection.sticky.drawn`.
    """

    name = "ab_split"
    learns = False
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "weights": Parameter("weights", None, "of models by name; null: all the same"),
        "sticky": Parameter("boolean", True, "queries with the same context are given to the same model"),
    }
    weights: dict[str, float] | None
    sticky: bool

    @property
    def explores(self) -> bool:
        return self.weights is None

    @property
    def order_free(self) -> bool:
        return True

    def probabilities(self, state: State) -> Sequence[float]:
        arms = state["arms"]
        numbers = [0.0] * len(arms)
        for model, weight in (self.weights or {}).items():
            index = find_arm(arms, model)
            if index is not None:
                numbers[index] = weight
        # Without a weight for any linked model all are the same, rather than no answer at all.
        return numbers if sum(numbers) > 0 else [1.0] * len(arms)

    def plan(self, state: State, now_us: int) -> PlanSpec:
        return PlanSpec("arms", self._arms(state), probabilities=self.shares(state), sticky=self.sticky)
