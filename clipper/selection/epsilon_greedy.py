"""The model with the best record, and now and then any.

Sutton and Barto, "Reinforcement Learning", section 2.4 (with a constant step size for changing worlds, 2.5); the
default exploration of the Decision Service (Agarwal et al., arXiv:1606.03966) is epsilon = 0.05, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from clipper.selection.arm_policy import CONTEXT_STRENGTH, ArmPolicy, Known
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.policy import State
from clipper.selection.running_means import keep_mean


class EpsilonGreedy(ArmPolicy):
    """Simple, and easy to explain; explores the worst model as often as the second best."""

    name = "epsilon_greedy"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "epsilon": Parameter("number", 0.05, "share of queries that any model may answer, all the same", 0.0, 1.0),
        "discount": Parameter("number", 0.999, "what an observation of an arm still counts at its next one", 0.5, 1.0),
        "context_strength": CONTEXT_STRENGTH,
    }
    per_arm: ClassVar[Mapping[str, float]] = {"count": 0.0, "total": 0.0}
    epsilon: float
    discount: float
    context_strength: float

    @property
    def explores(self) -> bool:
        return self.epsilon > 0.0

    @property
    def order_free(self) -> bool:
        return self.discount == 1.0

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        for place, loss, _ in known:
            state["count"][place] = state["count"][place] * self.discount + 1.0
            state["total"][place] = state["total"][place] * self.discount + 1.0 - loss

    def probabilities(self, state: State) -> Sequence[float]:
        # An arm without observations counts as one with a single right answer: it is tried, not trusted.
        means = [(total + 1.0) / (count + 1.0) for total, count in zip(state["total"], state["count"], strict=True)]
        best = means.index(max(means))
        other = self.epsilon / len(means)
        return [1.0 - self.epsilon + other if index == best else other for index in range(len(means))]

    def weaken(self, state: State) -> None:
        keep_mean(state, self.context_strength)

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        changed = super().change_arms(state, arms)
        keep_mean(changed, 1.0, [index for index, arm in enumerate(changed["arms"]) if arm not in state["arms"]])
        return changed
