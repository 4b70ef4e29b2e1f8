"""Policies over a query's features: they find out who is good at what, and tell the probability of each choice."""

from __future__ import annotations

import numpy as np
import pytest

from clipper.errors import InvalidArgumentError, StateError
from clipper.selection.lin_thompson import LinThompson
from clipper.selection.linear_model import MAX_FEATURES, MAX_FULL_FEATURES, decoded, encoded
from clipper.selection.linear_policy import LinearPolicy
from clipper.selection.linucb import LinUcb
from clipper.selection.policy import State
from tests.support.selection_world import ARMS, judged

KINDS = pytest.mark.parametrize("kind", [LinUcb, LinThompson])


def learned(policy: LinearPolicy, rounds: int = 400, width: int = 4) -> State:
    """Return the state after rounds in which arm k is right where feature k is the largest."""
    rng = np.random.default_rng(1)
    state = policy.init(ARMS)
    for _ in range(rounds):
        row = rng.standard_normal(width)
        plan = policy.plan(state, 0)
        arms, propensities = policy.select(plan.parameters, row[None, :], rng)
        best = int(np.argmax(row[: len(ARMS)]))
        state = policy.observe(
            state, judged({ARMS[arms[0]]: float(arms[0] != best)}, float(propensities[0]), features=row)
        )
    return state


@KINDS
def test_linear_policy_learns_which_model_is_right_for_which_query(kind: type[LinearPolicy]) -> None:
    policy = kind()
    state = learned(policy)
    rows = np.random.default_rng(2).standard_normal((500, 4))
    arms, _ = policy.select(policy.plan(state, 0).parameters, rows, np.random.default_rng(3))
    assert (arms == rows[:, :3].argmax(axis=1)).mean() > 0.75


@KINDS
def test_linear_policy_before_feedback_is_uniform(kind: type[LinearPolicy]) -> None:
    policy = kind()
    plan = policy.plan(policy.init(ARMS), 0)
    arms, propensities = policy.select(plan.parameters, np.zeros((3000, 7)), np.random.default_rng(1))
    assert propensities == pytest.approx(1 / 3)
    assert np.bincount(arms).min() > 900


@KINDS
def test_plan_of_a_linear_policy_needs_no_parameters_of_the_object_that_selects(kind: type[LinearPolicy]) -> None:
    policy = kind(exploration=2.0, floor=0.2)
    state = learned(policy, 30)
    plan = policy.plan(state, 0)
    _, propensities = kind().select(plan.parameters, np.ones((50, 4)), np.random.default_rng(1))
    assert plan.floor == 0.2 and propensities.min() >= 0.2 - 1e-9


@KINDS
def test_queries_with_other_features_than_learned_from_are_refused(kind: type[LinearPolicy]) -> None:
    policy = kind()
    state = learned(policy, 3)
    with pytest.raises(InvalidArgumentError, match=r"expected \(queries, 4\)"):
        policy.select(policy.plan(state, 0).parameters, np.zeros((1, 5)), np.random.default_rng(1))
    with pytest.raises(InvalidArgumentError, match="got 5 features; it has learned from 4"):
        policy.observe(state, judged({"a:1": 0.0}, features=np.zeros(5)))


@KINDS
@pytest.mark.parametrize("width", [MAX_FULL_FEATURES, MAX_FULL_FEATURES + 1, MAX_FEATURES])
def test_many_features_are_projected_and_still_tell_models_apart(kind: type[LinearPolicy], width: int) -> None:
    policy = kind()
    state = policy.init(ARMS[:2])
    rng = np.random.default_rng(1)
    sides = rng.standard_normal((2, width))
    for number in range(60):
        row = sides[number % 2] + 0.1 * rng.standard_normal(width)
        for place in range(2):
            state = policy.observe(state, judged({ARMS[place]: float(place != number % 2)}, features=row))
    plan = policy.plan(state, 0)
    assert plan.parameters["features"] == width
    arms, _ = policy.select(plan.parameters, np.repeat(sides, 20, axis=0), np.random.default_rng(1))
    assert (arms == np.repeat([0, 1], 20)).mean() > 0.9


def test_more_features_than_the_limit_are_passed_over() -> None:
    policy = LinUcb()
    state = policy.observe(policy.init(ARMS), judged({"a:1": 0.0}, features=np.zeros(MAX_FEATURES + 1)))
    assert state["features"] is None and state["pulls"] == [1, 0, 0]


def test_regression_of_one_arm_is_ridge_regression() -> None:
    policy = LinUcb(ridge=0.5)
    rng = np.random.default_rng(1)
    rows, rewards = rng.standard_normal((40, 3)), rng.random(40)
    state = policy.init(ARMS)
    for row, reward in zip(rows, rewards, strict=True):
        state = policy.observe(state, judged({"a:1": 1.0 - float(reward)}, features=row))
    design = np.hstack([rows, np.ones((40, 1))])
    expected = np.linalg.solve(design.T @ design + 0.5 * np.eye(4), design.T @ rewards)
    parameters = policy.plan(state, 0).parameters
    assert decoded(parameters["coefficients"], 3, 4)[0] == pytest.approx(expected)


def test_new_arm_of_a_linear_policy_starts_from_the_average_and_little_of_it() -> None:
    policy = LinUcb()
    state = policy.change_arms(learned(policy), [*ARMS, "new:1"])
    gram = decoded(state["models"]["new:1"]["gram"], 5, 5)
    assert gram[-1, -1] == pytest.approx(1.0)
    assert set(policy.change_arms(state, ["b:1"])["models"]) == {"b:1"}


def test_context_of_a_linear_policy_takes_over_as_much_as_it_may() -> None:
    policy = LinThompson(context_strength=5)
    context = policy.init(ARMS, population=learned(policy))
    counts = [decoded(context["models"][arm]["gram"], 5, 5)[-1, -1] for arm in ARMS]
    assert counts == pytest.approx([5.0] * 3)


def test_state_with_a_regression_of_another_size_is_refused() -> None:
    policy = LinUcb()
    state = learned(policy, 3)
    state["models"]["b:1"]["moment"] = encoded(np.zeros(2))
    with pytest.raises(StateError, match="not one regression for each arm"):
        policy.upgrade(state)
