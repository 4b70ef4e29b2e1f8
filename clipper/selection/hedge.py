"""A weighted vote of all models, whose weights follow their own losses; fixed share keeps every weight alive.

Freund and Schapire, "A decision-theoretic generalization of on-line learning", JCSS 55(1), 1997; fixed share: Herbster
and Warmuth, "Tracking the best expert", Machine Learning 32, 1998; models whose output is missing: the specialists of
Freund, Schapire, Singer and Warmuth, STOC 1997.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from clipper.selection.arm_policy import CONTEXT_STRENGTH, ArmPolicy, Known
from clipper.selection.ensemble import ANSWER_WHEN_DECIDED, MIN_CONFIDENCE, OBSERVE_ALL_RATIO
from clipper.selection.exponential_weights import bound, from_zero, share, weights_of
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import State

RULE = Parameter("choice", "weighted", "how outputs become one", choices=("weighted", "mean"))


class Hedge(ArmPolicy):
    """The default for ensembles: every model's loss is known, so nothing need be tried out.

    Its aim is the best member, not the best vote: where members err independently of each other, an unweighted majority
    may be better than any of them, and this does not find that out.

    A model without an output neither gains nor loses against the others: it is compared with them on the queries that
    it did answer.
    """

    name = "hedge"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "eta": Parameter("number", 0.3, "learning rate: a loss of 1 multiplies a weight by exp(-eta)", 1e-6, 10.0),
        "share": Parameter("number", 1e-3, "part of each weight given to all after an observation", 0.0, 0.5),
        "rule": RULE,
        "answer_when_decided": ANSWER_WHEN_DECIDED,
        "observe_all_ratio": OBSERVE_ALL_RATIO,
        "min_confidence": MIN_CONFIDENCE,
        "context_strength": CONTEXT_STRENGTH,
    }
    per_arm: ClassVar[Mapping[str, float]] = {"loss_sum": 0.0}
    eta: float
    share: float
    rule: str
    answer_when_decided: bool
    observe_all_ratio: float
    min_confidence: float
    context_strength: float

    @property
    def explores(self) -> bool:
        return True  # all members are asked

    @property
    def order_free(self) -> bool:
        return False  # which models are missing decides what the others are compared with

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        sums = state["loss_sum"]
        if len(known) < 2:
            return  # nothing to compare it with
        missing_pays = self._mixed_loss(sums, known) if len(known) < len(sums) else 0.0
        paid = {one.place: one.loss / one.propensity for one in known}
        sums[:] = [each + paid.get(index, missing_pays) for index, each in enumerate(sums)]
        if self.share > 0.0:
            share(sums, self.eta, self.share)
        from_zero(sums)

    def _mixed_loss(self, sums: Sequence[float], known: Sequence[Known]) -> float:
        """Return the loss that, given to the missing models, leaves the weight of the known ones together as it is."""
        weights = weights_of([sums[one.place] for one in known], self.eta)
        kept = math.fsum(
            weight * math.exp(-min(700.0, self.eta * one.loss / one.propensity))
            for weight, one in zip(weights, known, strict=True)
        )
        return -math.log(max(kept, 1e-300)) / self.eta

    def probabilities(self, state: State) -> Sequence[float]:
        return weights_of(state["loss_sum"], self.eta)

    def plan(self, state: State, now_us: int) -> PlanSpec:
        return PlanSpec(
            "members",
            self._arms(state),
            rule=self.rule,
            weights=self.shares(state),
            answer_when_decided=self.answer_when_decided,
            observe_all_ratio=self.observe_all_ratio,
            min_confidence=self.min_confidence,
        )

    def weaken(self, state: State) -> None:
        if state["arms"]:
            from_zero(state["loss_sum"])
            bound(state["loss_sum"], self.context_strength)

    def newcomer(self, field: str, staying: Sequence[float]) -> float:
        least = min(staying)
        mean = math.fsum(math.exp(-min(700.0, self.eta * (each - least))) for each in staying) / len(staying)
        return least - math.log(mean) / self.eta
