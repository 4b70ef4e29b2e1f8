"""The test kit: it passes what keeps the rules, and catches each policy that breaks one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from clipper.selection import ArmPolicy, ArmSummary, Observation, PlanSpec, make_policy
from clipper.selection.epsilon_greedy import EpsilonGreedy
from clipper.selection.linucb import LinUcb
from clipper.selection.policy import State
from clipper.selection.testing import CHECKS, PolicyCheckError, check_policy, failures_of


class TupleState(EpsilonGreedy):
    """Its state does not survive JSON."""

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        return {**super().init(arms, population=population), "pair": (1, 2)}


class SetState(EpsilonGreedy):
    """Its state is not even JSON."""

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        return {**super().init(arms, population=population), "seen": set()}


class Stranger(EpsilonGreedy):
    """Plans a model that is not linked."""

    def plan(self, state: State, now_us: int) -> PlanSpec:
        return PlanSpec("arms", ("elsewhere:1",), probabilities=(1.0,))


class Promises(EpsilonGreedy):
    """Promises exploration, and does none."""

    @property
    def explores(self) -> bool:
        return True

    def probabilities(self, state: State) -> Sequence[float]:
        means = [total / max(count, 1.0) for total, count in zip(state["total"], state["count"], strict=True)]
        return [float(index == means.index(max(means))) for index in range(len(means))]


class Gambler(EpsilonGreedy):
    """Draws from a generator that is nobody's."""

    def probabilities(self, state: State) -> Sequence[float]:
        return [random.random() + 0.1 for _ in state["arms"]]


class Impatient(EpsilonGreedy):
    """Counts its plans in the state."""

    def plan(self, state: State, now_us: int) -> PlanSpec:
        state["observations"] += 1
        return super().plan(state, now_us)


class Forgetful(EpsilonGreedy):
    """Keeps what it learns beside the state."""

    beside: ClassVar[list[float]] = []

    def learn(self, state: State, known: Any, observation: Observation) -> None:
        Forgetful.beside.append(known[0].loss)
        state["count"][0] = float(len(Forgetful.beside))


class Stateful(EpsilonGreedy):
    """Keeps what it learns in the object."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        object.__setattr__(self, "memory", [])

    def learn(self, state: State, known: Any, observation: Observation) -> None:
        self.__dict__["memory"].append(known[0].loss)


class Meddler(EpsilonGreedy):
    """Changes the observation it is given."""

    def learn(self, state: State, known: Any, observation: Observation) -> None:
        observation.losses.clear()  # type: ignore[attr-defined]


class LastWord(EpsilonGreedy):
    """Promises that order does not matter, and believes the last one."""

    @property
    def order_free(self) -> bool:
        return True

    def learn(self, state: State, known: Any, observation: Observation) -> None:
        for place, loss, _ in known:
            state["count"][place], state["total"][place] = 1.0, 1.0 - loss


class Stubborn(EpsilonGreedy):
    """Does not let models go."""

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        return state


class Confident(EpsilonGreedy):
    """Fails on an observation that it cannot use."""

    def observe(self, state: State, observation: Observation) -> State:
        place = state["arms"].index(next(iter(observation.losses)))
        state["count"][place] += 1.0
        return state


class Exploding(ArmPolicy):
    """Its weights overflow."""

    name = "exploding"
    per_arm: ClassVar[Mapping[str, float]] = {"weight_of": 1.0}

    def learn(self, state: State, known: Any, observation: Observation) -> None:
        for place, loss, propensity in known:
            state["weight_of"][place] *= 1.0 + (1.0 - loss) / propensity

    def probabilities(self, state: State) -> Sequence[float]:
        return [float(weight) for weight in state["weight_of"]]


class Sharing(EpsilonGreedy):
    """Hands the population's lists to a context."""

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        if population is not None and list(arms) == population["arms"]:
            return dict(population)
        return super().init(arms, population=population)


class Terse(EpsilonGreedy):
    """Leaves an arm out of its summary."""

    def summary(self, state: State) -> list[ArmSummary]:
        return super().summary(state)[1:]


class Trusting(EpsilonGreedy):
    """Takes any state."""

    def upgrade(self, state: object) -> State:
        return state  # type: ignore[return-value]


class Liar(LinUcb):
    """Says that it was sure, and was not."""

    def select(self, parameters: Any, features: Any, rng: np.random.Generator) -> Any:
        arms, _ = super().select({**parameters, "floor": 0.1}, features, rng)
        return arms, np.full(len(arms), 0.5)


class Numbered(EpsilonGreedy):
    """Numbers its own plans."""

    def plan(self, state: State, now_us: int) -> PlanSpec:
        return PlanSpec("arms", tuple(state["arms"]), probabilities=self.shares(state), plan_id=7)


BROKEN = {
    TupleState: "the state is JSON",
    SetState: "the state is JSON",
    Stranger: "plans are valid",
    Numbered: "plans are valid",
    Promises: "plans explore where that is promised",
    Gambler: "same state, same plan",
    Impatient: "same state, same plan",
    Forgetful: "same observations, same state",
    Stateful: "the policy object does not change",
    Meddler: "observations are not changed",
    LastWord: "any order gives the same plan where that is promised",
    Stubborn: "models come and go",
    Confident: "what is not known is passed over",
    Exploding: "extremes do not overflow",
    Sharing: "a context starts from the population",
    Terse: "summaries are complete",
    Trusting: "only its own states are taken",
    Liar: "choices by features have their propensities",
}


@pytest.mark.parametrize(("kind", "claim"), BROKEN.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_kit_catches_the_policy_that_breaks_a_rule(kind: type[ArmPolicy], claim: str) -> None:
    failures = failures_of(kind(), rounds=30)
    assert any(failure.startswith(f"{claim}: ") for failure in failures), failures


def test_kit_has_a_broken_policy_for_every_check() -> None:
    assert set(BROKEN.values()) == set(CHECKS)


def test_kit_lists_all_failures_in_one_error() -> None:
    with pytest.raises(PolicyCheckError, match=r"check\(s\):\n- ") as caught:
        check_policy(f"{__name__}:Terse", rounds=10)
    assert caught.value.failures and isinstance(caught.value, AssertionError)


def test_kit_takes_a_policy_a_name_or_a_document() -> None:
    check_policy(make_policy("static"), rounds=10)
    check_policy("static", rounds=10)
    check_policy({"name": "epsilon_greedy", "epsilon": 0.2}, rounds=10)
