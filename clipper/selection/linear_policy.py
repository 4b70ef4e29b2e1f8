"""What policies over a query's features share: regressions kept in the state, and plans that carry them to the core."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from clipper.errors import InvalidArgumentError, StateError
from clipper.selection.arm_policy import CONTEXT_STRENGTH, FLOOR, ArmPolicy, Known
from clipper.selection.linear_model import (
    MAX_FEATURES,
    average,
    columns,
    drawn_rows,
    empty_model,
    encoded,
    fold,
    rows_of,
    scores,
    solved,
)
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import Choices, State

Floats = npt.NDArray[np.float64]


class LinearPolicy(ArmPolicy):
    """Expects the reward of each arm to be linear in the features, up to 64 of them; more are projected to 64.

    Features should be of similar size, around 1: ``ridge`` shrinks all coefficients alike. Until the first observation
    with features all arms are equally probable.
    """

    needs_features = True
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "exploration": Parameter("number", 1.0, "how many standard errors count", 0.0, 100.0),
        "ridge": Parameter("number", 1.0, "shrinkage of coefficients; above 0", 1e-9, 1e9),
        "discount": Parameter("number", 1.0, "what an observation of an arm still counts at its next one", 0.5, 1.0),
        "floor": FLOOR,
        "context_strength": CONTEXT_STRENGTH,
    }
    exploration: float
    ridge: float
    discount: float
    floor: float
    context_strength: float

    @abstractmethod
    def row_probabilities(self, means: Floats, errors: Floats, exploration: float) -> Floats:
        """Return the probability of each arm for each query, shape (n, arms), from expected rewards and errors."""

    @property
    def order_free(self) -> bool:
        return self.discount == 1.0

    def _empty(self, arms: Sequence[str]) -> State:
        return {**super()._empty(arms), "features": None, "models": {}}

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        state = super().init(arms, population=population)
        if population is not None and population["features"] is not None:
            known = population["models"]
            state["features"] = population["features"]
            rest = list(known.values())
            state["models"] = {
                arm: average([known[arm]] if arm in known else rest, self.context_strength) for arm in arms
            }
        return state

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        changed = super().change_arms(state, arms)
        changed["features"] = state["features"]
        if state["features"] is not None:
            known = state["models"]
            staying = [known[arm] for arm in arms if arm in known]
            new = average(staying, 1.0) if staying else empty_model(columns(state["features"]))
            changed["models"] = {arm: known.get(arm, new) for arm in arms}
        return changed

    def check_state(self, state: State) -> None:
        super().check_state(state)
        features, models = state.get("features"), state.get("models")
        if features is not None:
            sizes_fit = type(features) is int and 0 < features <= MAX_FEATURES and isinstance(models, dict)
            if sizes_fit and isinstance(models, dict) and set(models) == set(state["arms"]):
                size = columns(features)
                forms = {"gram": _base64_length(size * size), "moment": _base64_length(size)}
                if all(isinstance(model, dict) and _lengths(model) == forms for model in models.values()):
                    return
        elif models == {}:
            return
        raise StateError(f"the state of policy {self.name!r} is damaged: models is not one regression for each arm")

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        features = observation.features
        if features is None or not 0 < len(features) <= MAX_FEATURES:
            return
        if state["features"] is None:
            state["features"] = len(features)
            state["models"] = {arm: empty_model(columns(len(features))) for arm in state["arms"]}
        if len(features) != state["features"]:
            raise InvalidArgumentError(
                f"policy {self.name!r} got {len(features)} features; it has learned from {state['features']}",
                hint="set the policy again to start anew",
            )
        (row,) = rows_of(features[None, :])
        for place, loss, _ in known:
            arm = state["arms"][place]
            state["models"][arm] = fold(state["models"][arm], row, 1.0 - loss, self.discount)

    def probabilities(self, state: State) -> Sequence[float]:
        """Return the share of observations of each arm: before a query is seen nothing more can be said."""
        pulls: list[float] = state["pulls"]
        return pulls if sum(pulls) > 0 else [1.0] * len(pulls)

    def plan(self, state: State, now_us: int) -> PlanSpec:
        arms = self._arms(state)
        parameters: dict[str, Any] = {"arms": len(arms), "exploration": self.exploration, "floor": self.floor}
        if state["features"] is not None:
            models = [state["models"][arm] for arm in arms]
            coefficients, inverses = solved(models, columns(state["features"]), self.ridge)
            parameters |= {
                "features": state["features"], "coefficients": encoded(coefficients), "inverses": encoded(inverses),
            }  # fmt: skip
        floor = min(self.floor, 1.0 / len(arms))
        return PlanSpec("features", arms, policy=self.name, parameters=parameters, floor=floor)

    def select(self, parameters: Mapping[str, Any], features: Floats, rng: np.random.Generator) -> Choices:
        if "features" not in parameters:
            arms = int(parameters["arms"])
            return drawn_rows(np.full((len(features), arms), 1.0 / arms), 0.0, rng)
        means, errors = scores(parameters, features)
        shares = self.row_probabilities(means, errors, float(parameters["exploration"]))
        return drawn_rows(shares, float(parameters["floor"]), rng)


def _base64_length(doubles: int) -> int:
    return (8 * doubles + 2) // 3 * 4


def _lengths(model: Mapping[str, Any]) -> dict[str, int]:
    return {name: len(text) for name, text in model.items() if isinstance(text, str)}
