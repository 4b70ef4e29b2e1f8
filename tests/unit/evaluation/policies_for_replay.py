"""Policies that a user might have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clipper.selection import ArmPolicy, PlanSpec, State


class SideOfZero(ArmPolicy):
    """Asks the first model where the first feature is positive, else the second; 10% of the time the other one."""

    name = "side_of_zero"
    needs_features = True
    learns = False

    def probabilities(self, state: State) -> Sequence[float]:
        return [1.0] * len(state["arms"])

    def plan(self, state: State, now_us: int) -> PlanSpec:
        return PlanSpec("features", tuple(state["arms"]), policy=self.name)

    def select(
        self, parameters: Mapping[str, Any], features: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        best = (features[:, 0] <= 0).astype(np.int64)
        is_best = rng.random(len(features)) < 0.9
        return np.where(is_best, best, 1 - best), np.where(is_best, 0.9, 0.1)


class Stray(ArmPolicy):
    """Plans with a model that nobody linked."""

    name = "stray"

    def probabilities(self, state: State) -> Sequence[float]:
        return [1.0]

    def plan(self, state: State, now_us: int) -> PlanSpec:
        return PlanSpec("arms", ("z:1",), probabilities=(1.0,))
