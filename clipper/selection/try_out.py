"""A made-up world for checks of policies: five models of different quality, a third of whose labels come without all.

Everything follows from a seed; nothing is shared between two calls, so a policy that keeps what it is given shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from clipper.selection.observation import ArmOutcome, Observation
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import SelectionPolicy, State
from clipper.selection.sticky import drawn

ARMS: Final = ("cheap:1", "small:3", "medium:1", "large:2", "best:1")
OTHER_ARMS: Final = ("new:1", "best:1", "small:4", "cheap:1")
ERROR_RATES: Final = {"cheap": 0.5, "small": 0.35, "medium": 0.25, "large": 0.2, "best": 0.05, "new": 0.1}
FEATURES: Final = 3
START_US: Final = 1_700_000_000_000_000


@dataclass(frozen=True)
class TryOut:
    """A policy and a world to try it in."""

    policy: SelectionPolicy
    seed: int
    rounds: int

    def observations(self, state: State, count: int, seed: int = 0) -> list[Observation]:
        """Return what becomes known about queries that are answered by the plan of a state."""
        rng = np.random.default_rng([self.seed, seed])
        plan = self.policy.plan(json_copy(state), START_US)
        return [self.observation(plan, number, rng) for number in range(count)]

    def observation(self, plan: PlanSpec, number: int, rng: np.random.Generator) -> Observation:
        """Return one of them."""
        features = rng.standard_normal(FEATURES)
        asked: Sequence[str] = plan.models
        propensities = [1.0] * len(asked)
        if plan.kind == "arms":
            chosen = drawn(plan.probabilities, rng.random())
            asked, propensities = [plan.models[chosen]], [plan.probabilities[chosen]]
        elif plan.kind == "features":
            arms, chances = self.policy.select(plan.parameters, features[None, :], rng)
            asked, propensities = [plan.models[int(arms[0])]], [float(chances[0])]
        elif plan.kind == "cascade":
            asked = plan.models[: int(rng.integers(1, len(plan.models) + 1))]
        elif rng.random() < 0.3:
            asked = plan.models[: int(rng.integers(1, len(plan.models) + 1))]  # stragglers
        outcomes, losses = [], {}
        for place, (arm, propensity) in enumerate(zip(asked, propensities, strict=False)):
            is_wrong = rng.random() < ERROR_RATES[arm.partition(":")[0]]
            output = {
                "label": int(is_wrong),
                "confidence": float(rng.uniform(0.2, 0.6) if is_wrong else rng.uniform(0.4, 1.0)),
            }
            shown = plan.kind != "cascade" or place == len(asked) - 1
            outcomes.append(ArmOutcome(arm, propensity, shown, output))
            losses[arm] = float(is_wrong)
        for arm in plan.shadows:
            is_wrong = rng.random() < ERROR_RATES[arm.partition(":")[0]]
            outcomes.append(ArmOutcome(arm, 1.0, False, {"label": int(is_wrong)}))
            losses[arm] = float(is_wrong)
        return Observation(
            number, START_US + 1000 * number, None, 1, plan.kind, tuple(outcomes), label=0,
            features=features if plan.kind == "features" else None, losses=losses,
        )  # fmt: skip

    def run(self, arms: Sequence[str] = ARMS, seed: int = 0) -> State:
        """Return the state after as many rounds as asked for, with a new plan every ten."""
        state = self.policy.init(arms)
        for batch in range(0, self.rounds, 10):
            for observation in self.observations(state, min(10, self.rounds - batch), seed + 1000 * batch):
                state = self.policy.observe(state, observation)
        return state


def json_copy(state: State) -> State:
    """Return a state as it comes out of a store."""
    copied: State = json.loads(json.dumps(state, allow_nan=False))
    return copied


def numbers_in(value: Any) -> list[float]:
    """Return all numbers in a JSON value."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int | float):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [number for each in value for number in numbers_in(each)] if isinstance(value, list | tuple) else []
