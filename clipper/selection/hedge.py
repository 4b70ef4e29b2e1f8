"""A weighted vote of all models, whose weights follow losses: each model's own, and those of the vote of all.

Freund and Schapire, "A decision-theoretic generalization of on-line learning", JCSS 55(1), 1997; fixed share: Herbster
and Warmuth, "Tracking the best expert", Machine Learning 32, 1998; models whose output is missing: the specialists of
Freund, Schapire, Singer and Warmuth, STOC 1997.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from clipper.errors import StateError
from clipper.selection.arm_policy import CONTEXT_STRENGTH, ArmPolicy, Known
from clipper.selection.ensemble import ANSWER_WHEN_DECIDED, MIN_CONFIDENCE, OBSERVE_ALL_RATIO
from clipper.selection.exponential_weights import bound, from_zero, share, weights_of
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import State
from clipper.selection.vote_expert import (
    PAIR_DISCOUNT,
    ballot_of,
    count_pairs,
    recent_error,
    vote_weights,
    winner_of,
)

_UNKNOWN_ERROR: Final = 0.5
_OF_VOTE: Final = ("vote_loss_sum", "wrong_pairs", "alike_pairs")
RULE = Parameter("choice", "weighted", "how outputs become one", choices=("weighted", "mean"))


class Hedge(ArmPolicy):
    """The default for ensembles: every model's loss is known, so nothing need be tried out.

    Its experts are the models and, by ``vote_expert``, the vote of all of them (`vote_expert`): it is hardly ever worse
    than the best model, and where models err at different queries it is as good as their vote, which is much better.

    A model without an output neither gains nor loses against the others: it is compared with them on the queries that
    it did answer.
    """

    name = "hedge"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "eta": Parameter("number", 0.3, "learning rate: a loss of 1 multiplies a weight by exp(-eta)", 1e-6, 10.0),
        "share": Parameter("number", 1e-3, "part of each weight given to all after an observation", 0.0, 0.5),
        "rule": RULE,
        "vote_expert": Parameter("boolean", True, "whether the vote of all models is an expert, too; not with 'mean'"),
        "answer_when_decided": ANSWER_WHEN_DECIDED,
        "observe_all_ratio": OBSERVE_ALL_RATIO,
        "min_confidence": MIN_CONFIDENCE,
        "context_strength": CONTEXT_STRENGTH,
    }
    version = 2
    upgrades: ClassVar[Mapping[int, Callable[[State], State]]] = {1: lambda state: _with_vote(state)}
    per_arm: ClassVar[Mapping[str, float]] = {"loss_sum": 0.0, "error": _UNKNOWN_ERROR}
    eta: float
    share: float
    rule: str
    vote_expert: bool = False
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

    @property
    def has_vote(self) -> bool:
        """Whether the vote of all is an expert."""
        return self.vote_expert and self.rule == "weighted"

    def _empty(self, arms: Sequence[str]) -> State:
        return {**super()._empty(arms), **dict.fromkeys(_OF_VOTE, 0.0)}

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        state = super().init(arms)
        if population is not None:
            state = {**state, **{field: population[field] for field in _OF_VOTE}}
            for field in self.per_arm:
                self._carry_over(population, state, field)
            self.weaken(state)
        return state

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        if len(known) < 2:
            return  # nothing to compare it with
        experts = self._experts(state)
        seen = [*known, *self._vote_known(state, known, observation)] if self.has_vote else known
        missing_pays = self._mixed_loss(experts, seen) if len(seen) < len(experts) else 0.0
        paid = {one.place: one.loss / one.propensity for one in seen}
        experts = [each + paid.get(index, missing_pays) for index, each in enumerate(experts)]
        if self.share > 0.0:
            share(experts, self.eta, self.share)
        from_zero(experts)
        self._keep(state, experts)

    def _experts(self, state: State) -> list[float]:
        """Return the experts' sums of losses: of the models, and of the vote."""
        return [*state["loss_sum"], state["vote_loss_sum"]] if self.has_vote else list(state["loss_sum"])

    def _keep(self, state: State, experts: Sequence[float]) -> None:
        count = len(state["loss_sum"])
        state["loss_sum"][:] = experts[:count]
        if self.has_vote:
            state["vote_loss_sum"] = experts[count]

    def _vote_known(self, state: State, known: Sequence[Known], observation: Observation) -> list[Known]:
        """Return what the vote of the known models lost, and take in what their outputs tell of each other."""
        ballots = {outcome.arm: ballot_of(outcome.output) for outcome in observation.arms}
        given = [ballots[state["arms"][one.place]] for one in known]
        weights = vote_weights([state["error"][one.place] for one in known], state["wrong_pairs"], state["alike_pairs"])
        for one in known:
            state["error"][one.place] = recent_error(state["error"][one.place], state["pulls"][one.place], one.loss)
        if any(ballot is None for ballot in given):
            return []  # a reward says nothing about who said what
        pairs, alike = count_pairs([ballot for ballot, one in zip(given, known, strict=True) if one.loss > 0.5])
        state["wrong_pairs"] = state["wrong_pairs"] * PAIR_DISCOUNT + pairs
        state["alike_pairs"] = state["alike_pairs"] * PAIR_DISCOUNT + alike
        winner = known[given.index(winner_of(given, weights))]
        return [Known(len(state["arms"]), winner.loss, min(one.propensity for one in known))]

    def _mixed_loss(self, sums: Sequence[float], known: Sequence[Known]) -> float:
        """Return the loss that, given to the missing experts, leaves the weight of the known ones together as it is."""
        weights = weights_of([sums[one.place] for one in known], self.eta)
        kept = math.fsum(
            weight * math.exp(-min(700.0, self.eta * one.loss / one.propensity))
            for weight, one in zip(weights, known, strict=True)
        )
        return -math.log(max(kept, 1e-300)) / self.eta

    def probabilities(self, state: State) -> Sequence[float]:
        weights = weights_of(self._experts(state), self.eta)
        if not self.has_vote:
            return weights
        of_vote = weights.pop()
        votes = vote_weights(state["error"], state["wrong_pairs"], state["alike_pairs"])
        return [weight + of_vote * vote for weight, vote in zip(weights, votes, strict=True)]

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
            experts = self._experts(state)
            from_zero(experts)
            bound(experts, self.context_strength)
            self._keep(state, experts)

    def newcomer(self, field: str, staying: Sequence[float]) -> float:
        if field != "loss_sum":
            return super().newcomer(field, staying)
        least = min(staying)
        mean = math.fsum(math.exp(-min(700.0, self.eta * (each - least))) for each in staying) / len(staying)
        return least - math.log(mean) / self.eta

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        return {**super().change_arms(state, arms), **{field: state[field] for field in _OF_VOTE}}

    def check_state(self, state: State) -> None:
        super().check_state(state)
        for field in _OF_VOTE:
            value = state.get(field)
            if not isinstance(value, float) or not math.isfinite(value):
                raise StateError(f"the state of policy {self.name!r} is damaged: {field} is no finite number")


def _with_vote(state: State) -> State:
    """Make a state of version 2: nothing is known of the vote yet, which begins as an average model."""
    sums = state["loss_sum"]
    begin = math.fsum(sums) / len(sums) if sums else 0.0
    errors = [_UNKNOWN_ERROR] * len(sums)
    return {**state, "error": errors, "vote_loss_sum": begin, "wrong_pairs": 0.0, "alike_pairs": 0.0}
