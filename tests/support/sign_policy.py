"""A policy of a user's own that selects by features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clipper.selection.observation import Observation
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import ArmSummary, Choices, SelectionPolicy, State


class SignPolicy(SelectionPolicy):
    """Learns nothing: one arm for rows that begin with a negative number, another for the rest."""

    name = "sign"
    needs_features = True

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        return {"policy": self.name, "version": 1, "arms": list(arms)}

    def plan(self, state: State, now_us: int) -> PlanSpec:
        parameters = {"negative": 0, "positive": len(state["arms"]) - 1}
        return PlanSpec("features", tuple(state["arms"]), policy=self.name, parameters=parameters)

    def observe(self, state: State, observation: Observation) -> State:
        return state

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        return {**state, "arms": list(arms)}

    def summary(self, state: State) -> list[ArmSummary]:
        return []

    def select(
        self, parameters: Mapping[str, Any], features: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> Choices:
        is_negative = features[:, 0] < 0
        arms = np.where(is_negative, parameters["negative"], parameters["positive"]).astype(np.int64)
        return arms, np.full(len(features), 1.0)
