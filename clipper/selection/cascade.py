"""The cheap model first; a dearer one only where the cheap one is not sure.

Viola and Jones, CVPR 2001, for the idea; thresholds that hold an accuracy at least cost as in Chen, Zaharia and Zou,
"FrugalML", NeurIPS 2020, and Kang et al., "NoScope", VLDB 2017. One price lambda of an error is common to all stages;
the smallest one that holds the target gives the thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from clipper.errors import StateError
from clipper.selection.arm_policy import CONTEXT_STRENGTH, ArmPolicy, Known, find_arm
from clipper.selection.cascade_record import THRESHOLDS, StageCurve, curve_of, empty_record, is_record, note
from clipper.selection.confidence import output_confidence
from clipper.selection.observation import ABSENT, Observation
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import ALWAYS_ESCALATE, PlanSpec
from clipper.selection.policy import State

# Prices of an error in units of the dearest model's cost, tried from the least; then: whatever it costs.
_PRICES: Final = (*(10.0 ** (exponent / 8) for exponent in range(-16, 33)), 1e9)


class Cascade(ArmPolicy):
    """Holds a target accuracy at least cost, with thresholds learned from feedback.

    The stages are the linked models in link order, or in the order given. Until enough is known of a stage, every
    query passes it on: the start is dear and right. A target that even the dearest models do not reach gives the
    thresholds with the highest accuracy.
    """

    name = "cascade"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "target_accuracy": Parameter("number", 0.95, "mean reward of the answers to be held", 0.0, 1.0),
        "threshold": Parameter("number", None, "a threshold for all stages in place of learned ones", 0.0, 1.0),
        "order": Parameter("models", None, "models from cheap to dear, others behind them; null: in link order"),
        "costs": Parameter("weights", None, "of a query by model; null, or a model left out: 1"),
        "safety": Parameter("number", 1.0, "standard errors by which the estimate must lie above the target", 0.0, 10),
        "least_observations": Parameter("integer", 50, "observations of a stage before it answers", 1, 10**9),
        "discount": Parameter("number", 0.9995, "what an observation still counts at the next one", 0.5, 1.0),
        "context_strength": CONTEXT_STRENGTH,
    }
    per_arm: ClassVar[Mapping[str, float]] = {"answered": 0.0}
    target_accuracy: float
    threshold: float | None
    order: tuple[str, ...] | None
    costs: dict[str, float] | None
    safety: float
    least_observations: int
    discount: float
    context_strength: float

    @property
    def order_free(self) -> bool:
        return self.discount == 1.0

    def _empty(self, arms: Sequence[str]) -> State:
        return {**super()._empty(arms), "records": {arm: empty_record() for arm in arms}}

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        state = super().init(arms, population=population)
        if population is not None:
            for arm, record in population["records"].items():
                if arm in state["records"]:
                    # Confidences of one user are too few to say much: the population's record is kept whole, and
                    # what is seen of the context is added to it.
                    state["records"][arm] = {name: list(values) for name, values in record.items()}
        return state

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        changed = super().change_arms(state, arms)
        # A confidence of one model says nothing of another's: a new stage starts from nothing. What later stages did
        # with a stage's queries is no longer true, either, if they change.
        same_later = list(changed["arms"]) == list(state["arms"])
        for arm, record in state["records"].items():
            if arm in changed["records"]:
                kept = {name: list(values) for name, values in record.items()}
                if not same_later:
                    kept["later_seen"], kept["later_right"] = empty_record()["seen"], empty_record()["right"]
                changed["records"][arm] = kept
        return changed

    def check_state(self, state: State) -> None:
        super().check_state(state)
        records = state.get("records")
        if (
            not isinstance(records, dict)
            or set(records) != set(state["arms"])
            or not all(map(is_record, records.values()))
        ):
            raise StateError(f"the state of policy {self.name!r} is damaged: records is not one record for each arm")

    def stages(self, arms: Sequence[str]) -> list[str]:
        """Return the arms from cheap to dear."""
        first = [find_arm(arms, model) for model in self.order or ()]
        ordered = [arms[index] for index in dict.fromkeys(first) if index is not None]
        return ordered + [arm for arm in arms if arm not in ordered]

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        rewards = {state["arms"][one.place]: 1.0 - one.loss for one in known}
        outputs: dict[str, Any] = {outcome.arm: outcome.output for outcome in observation.arms}
        reached = [arm for arm in self.stages(state["arms"]) if arm in rewards]
        for place, arm in enumerate(reached):
            confidence = None if outputs[arm] is ABSENT else output_confidence(outputs[arm])
            if confidence is not None:
                later = rewards[reached[-1]] if place < len(reached) - 1 else None
                note(state["records"][arm], confidence, rewards[arm], later, self.discount)
        if reached:
            shown = [outcome.arm for outcome in observation.arms if outcome.shown and outcome.arm in rewards]
            answered = state["answered"]
            answered[:] = [each * self.discount for each in answered]
            answered[state["arms"].index(shown[-1] if shown else reached[-1])] += 1.0

    def probabilities(self, state: State) -> Sequence[float]:
        answered: list[float] = state["answered"]
        return answered if math.fsum(answered) > 0 else [1.0] * len(answered)

    def plan(self, state: State, now_us: int) -> PlanSpec:
        stages = self.stages(self._arms(state))
        if self.threshold is not None:
            thresholds: tuple[float, ...] = (self.threshold,) * (len(stages) - 1)
        else:
            thresholds = self._learned(stages, [curve_of(state["records"][arm]) for arm in stages[:-1]])
        return PlanSpec("cascade", tuple(stages), thresholds=thresholds)

    def _learned(self, stages: Sequence[str], curves: Sequence[StageCurve]) -> tuple[float, ...]:
        """Return the cheapest thresholds that hold the target, or the most accurate ones there are."""
        if not curves:
            return ()
        costs = [self._cost(arm) for arm in stages]
        dearest = max(*costs, 1e-12)
        relative = [cost / dearest for cost in costs]
        best = self._places(curves, relative, _PRICES[-1])
        if self._holds(curves[0], best[0]):
            # A higher price never gives a lower accuracy: halve the range of those that may be the least.
            low, high = 0, len(_PRICES) - 1
            while low < high:
                middle = (low + high) // 2
                places = self._places(curves, relative, _PRICES[middle])
                if self._holds(curves[0], places[0]):
                    best, high = places, middle
                else:
                    low = middle + 1
        return tuple(THRESHOLDS[place] for place in best)

    def _holds(self, first: StageCurve, place: int) -> bool:
        """Whether a threshold of the first stage, which sees all queries, is expected to hold the target."""
        accuracy = float(first.accuracy[place])
        error = self.safety * math.sqrt(max(accuracy * (1.0 - accuracy), 0.0) / first.queries)
        return first.queries >= self.least_observations and accuracy - error >= self.target_accuracy

    def _places(self, curves: Sequence[StageCurve], costs: Sequence[float], price: float) -> list[int]:
        """Return for each stage the index of the threshold with the least cost plus price times error."""
        places = [0] * len(curves)
        onward = costs[-1]  # expected cost of a query from the next stage on
        for stage in range(len(curves) - 1, -1, -1):
            curve = curves[stage]
            if curve.queries < self.least_observations:
                place = len(THRESHOLDS) - 1
            else:
                place = int(np.argmin(curve.escalated * onward - price * curve.accuracy))
            places[stage] = place
            onward = costs[stage] + (
                onward if THRESHOLDS[place] == ALWAYS_ESCALATE else float(curve.escalated[place]) * onward
            )
        return places

    def _cost(self, arm: str) -> float:
        given = self.costs or {}
        return float(given.get(arm, given.get(arm.partition(":")[0], 1.0)))
