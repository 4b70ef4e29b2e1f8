"""Each model as often as it is probably the best: Thompson sampling, with forgetting.

Thompson, Biometrika 25, 1933; Chapelle and Li, "An empirical evaluation of Thompson sampling", NIPS 2011 (it bears late
feedback better than others); Agrawal and Goyal, AISTATS 2013, for rewards between 0 and 1 and the Gaussian form;
discounting after Raj and Kalyani, "Taming non-stationary bandits", arXiv:1707.09727.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from clipper.selection.arm_policy import CONTEXT_STRENGTH, ArmPolicy, Known
from clipper.selection.best_arm import best_of_betas, best_of_normals
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.policy import State


class Thompson(ArmPolicy):
    """The default for one model at a time; see docs/policies.md for why.

    Beta: a reward r counts as r successes and 1 - r failures. Gaussian: the mean of rewards, with a deviation of
    ``noise`` / sqrt(n + 1); for losses whose spread is known, or that are far narrower than 0 and 1.

    With ``sharpness`` above 1 beliefs are taken as that much surer than they are (posterior reshaping: Chapelle and Li,
    section 3): what forgetting makes vague anyway is then tried less often.
    """

    name = "thompson"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "belief": Parameter(
            "choice", "beta", "form of what is believed of a mean reward", choices=("beta", "gaussian")
        ),
        "discount": Parameter("number", 0.999, "what an observation still counts at the next one", 0.5, 1.0),
        "sharpness": Parameter("number", 4.0, "what one observation counts for in the belief; beta only", 0.1, 100.0),
        "floor": Parameter("number", 0.002, "least probability of each model; 1 / models where that is less", 0.0, 1.0),
        "noise": Parameter("number", 0.5, "standard deviation of one reward; gaussian only", 1e-6, 1.0),
        "context_strength": CONTEXT_STRENGTH,
    }
    per_arm: ClassVar[Mapping[str, float]] = {"success": 0.0, "failure": 0.0}
    belief: str
    discount: float
    floor: float
    sharpness: float
    noise: float
    context_strength: float

    @property
    def order_free(self) -> bool:
        return self.discount == 1.0

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        success, failure = state["success"], state["failure"]
        if self.discount < 1.0:
            success[:] = [each * self.discount for each in success]
            failure[:] = [each * self.discount for each in failure]
        for place, loss, _ in known:
            success[place] += 1.0 - loss
            failure[place] += loss

    def probabilities(self, state: State) -> Sequence[float]:
        success, failure = np.array(state["success"], dtype=np.float64), np.array(state["failure"], dtype=np.float64)
        if len(success) < 2:
            return [1.0] * len(success)
        if self.belief == "beta":
            best = best_of_betas(1.0 + self.sharpness * success, 1.0 + self.sharpness * failure)
        else:
            counts = success + failure + 1.0  # one observation of 1/2 is the prior
            best = best_of_normals((success + 0.5) / counts, self.noise / np.sqrt(counts))
        shares: list[float] = best.tolist()
        return shares

    def weaken(self, state: State) -> None:
        _limit(state, self.context_strength, range(len(state["arms"])))

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        changed = super().change_arms(state, arms)
        # As good as the average, and nearly nothing is known of it.
        _limit(changed, 1.0, [index for index, arm in enumerate(changed["arms"]) if arm not in state["arms"]])
        return changed


def _limit(state: State, strength: float, indices: Sequence[int]) -> None:
    """Let what is known of arms count for at most so many observations; their means stay."""
    for index in indices:
        count = state["success"][index] + state["failure"][index]
        if count > strength:
            state["success"][index] *= strength / count
            state["failure"][index] *= strength / count
