"""Vowpal Wabbit as a policy: every exploration learns, and the state is what Clipper relies on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from clipper.errors import InvalidArgumentError, StateError
from clipper.selection import ArmOutcome, Observation, SelectionPolicy, State, make_policy
from clipper.selection import vowpal_wabbit as module
from clipper.selection.testing import check_policy
from clipper.selection.vowpal_wabbit import example

INSTALL = "pip install 'clipper[vowpal-wabbit]'"
needs_library = pytest.mark.optional("vowpalwabbit", INSTALL)
ARMS = ("a:1", "b:1")


def make(**parameters: Any) -> SelectionPolicy:
    return make_policy({"name": "vowpal_wabbit", **parameters})


def observation(policy: SelectionPolicy, state: State, x: Any, rng: np.random.Generator, number: int) -> Observation:
    """Return what comes of one query: the first model is good on the right of zero, the second on the left."""
    plan = policy.plan(state, number)
    (chosen,), (propensity,) = policy.select(plan.parameters, x[None, :], rng)
    is_right = rng.random() < (0.9 if (x[0] > 0) == (chosen == 0) else 0.1)
    arm = plan.models[chosen]
    return Observation(
        number, number, None, 0, "features", (ArmOutcome(arm, float(propensity)),), reward=float(is_right),
        features=x, losses={arm: 1.0 - float(is_right)},
    )  # fmt: skip


def learned(policy: SelectionPolicy, count: int, seed: int = 0) -> State:
    rng = np.random.default_rng(seed)
    state = policy.init(ARMS)
    for number in range(count):
        state = policy.observe(state, observation(policy, state, rng.uniform(-1, 1, 2), rng, number))
    return state


def share_of_best(policy: SelectionPolicy, state: State) -> float:
    rng = np.random.default_rng(9)
    features = rng.uniform(-1, 1, (400, 2))
    chosen, _ = policy.select(policy.plan(state, 0).parameters, features, rng)
    return float(np.mean((features[:, 0] > 0) == (chosen == 0)))


@needs_library
@pytest.mark.parametrize(
    ("exploration", "cb_type"),
    [("squarecb", "mtr"), ("regcb", "dr"), ("epsilon", "ips"), ("bag", "mtr"), ("cover", "dr"), ("softmax", "mtr")],
)
def test_policy_learns_which_model_is_good_where(exploration: str, cb_type: str) -> None:
    policy = make(exploration=exploration, cb_type=cb_type)
    assert share_of_best(policy, policy.init(ARMS)) == pytest.approx(0.5, abs=0.1)
    assert share_of_best(policy, learned(policy, 600)) > 0.75


@needs_library
def test_policy_keeps_what_clipper_relies_on() -> None:
    check_policy(make(update_every=40), rounds=45)


@needs_library
def test_regressor_is_deployed_after_so_many_observations_and_not_before() -> None:
    policy = make(update_every=20)
    state = learned(policy, 19)
    assert "regressor" not in policy.plan(state, 0).parameters
    assert len(state["waiting"]) == 19
    state = learned(policy, 20)
    assert "regressor" in policy.plan(state, 0).parameters
    assert state["waiting"] == []


@needs_library
def test_state_that_went_through_json_goes_on_as_it_was() -> None:
    policy = make(update_every=10)
    state = learned(policy, 35)
    again = policy.upgrade(json.loads(json.dumps(state)))
    rng, twin = np.random.default_rng(1), np.random.default_rng(1)
    for number in range(15):
        x = np.array([0.3, -0.2])
        state = policy.observe(state, observation(policy, state, x, rng, number))
        again = policy.observe(again, observation(policy, again, x, twin, number))
    assert again == state


@needs_library
def test_new_model_is_asked_without_forgetting_what_the_others_have_taught() -> None:
    policy = make()
    state = policy.change_arms(learned(policy, 600), ["a:1", "b:1", "c:1"])
    features = np.random.default_rng(2).uniform(-1, 1, (600, 2))
    chosen, propensities = policy.select(policy.plan(state, 0).parameters, features, np.random.default_rng(3))
    assert (chosen == 2).any()
    assert (propensities >= 0.01 - 1e-9).all()
    assert share_of_best(policy, policy.change_arms(state, ARMS)) > 0.75


@needs_library
def test_features_of_another_length_are_refused() -> None:
    policy = make(update_every=10)
    state = learned(policy, 20)
    with pytest.raises(InvalidArgumentError, match="expected \\(queries, 2\\)"):
        policy.select(policy.plan(state, 0).parameters, np.zeros((1, 3)), np.random.default_rng(0))


@needs_library
def test_exploration_that_does_not_go_with_its_regression_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="do not go together"):
        make(exploration="squarecb", cb_type="dr")


@needs_library
@pytest.mark.parametrize("damage", [{"regressor": 1}, {"waiting": [1]}, {"waiting": None}, {"features": 0}], ids=str)
def test_state_that_is_damaged_is_refused(damage: dict[str, Any]) -> None:
    policy = make()
    with pytest.raises(StateError, match="is damaged"):
        policy.upgrade({**policy.init(ARMS), **damage})


def test_policy_without_its_library_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIBRARY", "no_such_library")
    with pytest.raises(InvalidArgumentError, match="not installed") as raised:
        make()
    assert raised.value.hint == INSTALL


def test_misspelt_name_suggests_it() -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        make_policy("vowpal_rabbit")
    assert "vowpal_wabbit" in raised.value.hint


def test_example_is_a_query_and_a_line_for_each_arm_without_vws_own_signs() -> None:
    lines = example(np.array([0.5, 0.0, -2.0]), ["a:1", "b|x:2"], 1, 0.25, 0.1)
    assert lines == ["shared |x 0:0.5 2:-2 one", "|a a@1", "0:0.25:0.1 |a b@x@2"]
