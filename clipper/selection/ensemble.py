"""All models are asked, and one output is made of theirs by a rule that does not learn.

Dietterich, "Ensemble methods in machine learning", MCS 2000; agreement as confidence and answers that do not wait for
stragglers: Crankshaw et al., NSDI 2017, sections 5.2.1 and 5.2.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from clipper.errors import InvalidArgumentError
from clipper.selection.arm_policy import ArmPolicy, find_arm
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import RULES, PlanSpec
from clipper.selection.policy import State

ANSWER_WHEN_DECIDED: Final = Parameter(
    "boolean", True, "answer as soon as the models that are still to come cannot change the output"
)
MIN_CONFIDENCE: Final = Parameter(
    "number", 0.0, "below this confidence the application's default output is given", 0.0, 1.0
)
OBSERVE_ALL_RATIO: Final = Parameter(
    "number", 1.0, "share of queries whose members are all evaluated, even if the answer was decided before", 0.0, 1.0
)


class Ensemble(ArmPolicy):
    """Majority, mean, or a vote with weights that are given."""

    name = "ensemble"
    learns = False
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "rule": Parameter("choice", "majority", "how outputs become one", choices=RULES),
        "weights": Parameter("weights", None, "of models by name, for 'weighted' and 'mean'; null: all the same"),
        "answer_when_decided": ANSWER_WHEN_DECIDED,
        "observe_all_ratio": OBSERVE_ALL_RATIO,
        "min_confidence": MIN_CONFIDENCE,
    }
    fixed_rule: ClassVar[str | None] = None

    @property
    def rule_in_force(self) -> str:
        """The rule."""
        return self.fixed_rule or str(self.values["rule"])

    @property
    def order_free(self) -> bool:
        return True

    def check(self) -> None:
        if self.values.get("weights") is not None and self.rule_in_force == "majority":
            raise InvalidArgumentError(
                f"policy {self.name!r} has weights and rule 'majority', where all votes count the same",
                hint="use rule 'weighted'",
            )

    def probabilities(self, state: State) -> Sequence[float]:
        arms, weights = state["arms"], self.values.get("weights")
        if not weights:
            return [1.0] * len(arms)
        numbers = [0.0] * len(arms)
        for model, weight in weights.items():
            index = find_arm(arms, model)
            if index is not None:
                numbers[index] = float(weight)
        # None of the weights is for a model that is linked: all the same again, rather than no answer at all.
        return numbers if sum(numbers) > 0 else [1.0] * len(arms)

    def plan(self, state: State, now_us: int) -> PlanSpec:
        rule = self.rule_in_force
        has_weights = rule == "weighted" or (rule == "mean" and bool(self.values.get("weights")))
        return PlanSpec(
            "members",
            self._arms(state),
            rule=rule,
            weights=self.shares(state) if has_weights else (),
            answer_when_decided=bool(self.values.get("answer_when_decided", True)),
            observe_all_ratio=float(self.values.get("observe_all_ratio", 0.0)),
            min_confidence=float(self.values.get("min_confidence", 0.0)),
        )


class Majority(Ensemble):
    """The most frequent output; the default of applications with several models."""

    name = "majority"
    fixed_rule = "majority"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "answer_when_decided": ANSWER_WHEN_DECIDED,
        "min_confidence": MIN_CONFIDENCE,
    }


class Mean(Ensemble):
    """The mean of numbers, or of flat lists of numbers element by element."""

    name = "mean"
    fixed_rule = "mean"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "weights": Parameter("weights", None, "of models by name; null: all the same"),
        "min_confidence": MIN_CONFIDENCE,
    }
