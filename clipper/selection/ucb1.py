"""The model with the highest upper confidence bound.

Auer, Cesa-Bianchi and Fischer, "Finite-time analysis of the multiarmed bandit problem", Machine Learning 47, 2002;
with ``discount`` below 1 it is D-UCB (Garivier and Moulines, "On upper-confidence bound policies for switching bandit
problems", ALT 2011).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from clipper.selection.arm_policy import CONTEXT_STRENGTH, ArmPolicy, Known
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.policy import State
from clipper.selection.running_means import keep_mean


class Ucb1(ArmPolicy):
    """Explores by optimism instead of chance: its propensities are 0 and 1 unless it is given a floor."""

    name = "ucb1"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "exploration": Parameter("number", 2.0, "c of mean + sqrt(c ln(t) / n)", 0.0, 100.0),
        "discount": Parameter("number", 1.0, "what an observation still counts at the next one", 0.5, 1.0),
        "floor": Parameter("number", 0.0, "least probability of each model; above 0 logs can be evaluated", 0.0, 1.0),
        "context_strength": CONTEXT_STRENGTH,
    }
    per_arm: ClassVar[Mapping[str, float]] = {"count": 0.0, "total": 0.0}
    exploration: float
    discount: float
    floor: float
    context_strength: float

    @property
    def order_free(self) -> bool:
        return self.discount == 1.0

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        counts, totals = state["count"], state["total"]
        if self.discount < 1.0:
            counts[:] = [count * self.discount for count in counts]
            totals[:] = [total * self.discount for total in totals]
        for place, loss, _ in known:
            counts[place] += 1.0
            totals[place] += 1.0 - loss

    def probabilities(self, state: State) -> Sequence[float]:
        counts = state["count"]
        # What is not known yet shares the queries: with late feedback one arm after the other would take long.
        unknown = [float(count <= 0.0) for count in counts]
        if any(unknown):
            return unknown
        logarithm = math.log(max(1.0, math.fsum(counts)))
        bounds = [
            total / count + math.sqrt(self.exploration * logarithm / count)
            for count, total in zip(counts, state["total"], strict=True)
        ]
        best = bounds.index(max(bounds))
        return [1.0 if index == best else 0.0 for index in range(len(bounds))]

    def weaken(self, state: State) -> None:
        keep_mean(state, self.context_strength)

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        changed = super().change_arms(state, arms)
        new = [index for index, arm in enumerate(changed["arms"]) if arm not in state["arms"]]
        keep_mean(changed, 1.0, new)  # the average model, of which little is known: optimism does the rest
        return changed
