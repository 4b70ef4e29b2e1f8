"""What holds of every policy whatever it observes, in whatever order models come and go."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.errors import StateError
from clipper.selection import POLICIES, ArmOutcome, Observation, PlanSpec, SelectionPolicy, make_policy
from clipper.selection.policy import State
from clipper.selection.selection_checks import same_plan
from clipper.selection.testing import check_policy
from clipper.selection.try_out import numbers_in

NAMES = ("a:1", "b:1", "c:1", "a:2", "d:1", "e:9")
VARIANTS: dict[str, dict[str, Any]] = {
    **{name: {"name": name} for name in POLICIES},
    "thompson at rest": {"name": "thompson", "discount": 1.0, "sharpness": 1.0},
    "thompson gaussian": {"name": "thompson", "belief": "gaussian"},
    "ucb1 with a floor": {"name": "ucb1", "floor": 0.05, "discount": 0.99},
    "exp3 with falling eta": {"name": "exp3", "eta": None},
    "exp3 that forgets": {"name": "exp3", "share": 0.01, "eta": 10.0},
    "tsallis_inf with a memory": {"name": "tsallis_inf", "memory": 50},
    "hedge in a hurry": {"name": "hedge", "eta": 10.0, "rule": "mean"},
    "ab_split of some": {"name": "ab_split", "weights": {"a": 3, "b:1": 1}},
    "ensemble weighted": {"name": "ensemble", "rule": "weighted", "weights": {"b": 2}},
    "cascade at rest": {"name": "cascade", "discount": 1.0, "least_observations": 1, "order": ["c", "a"]},
    "linucb that forgets": {"name": "linucb", "discount": 0.9},
}
EVERY = pytest.mark.parametrize("document", VARIANTS.values(), ids=VARIANTS.keys())

ratios = st.floats(0.0, 1.0)
propensities = st.floats(1e-9, 1.0)
outputs = st.integers(0, 3) | st.lists(ratios, min_size=1, max_size=3) | st.builds(lambda c: {"confidence": c}, ratios)
outcomes = st.builds(ArmOutcome, st.sampled_from(NAMES), propensities, st.booleans(), outputs)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    arms = draw(st.lists(outcomes, max_size=4, unique_by=lambda outcome: outcome.arm))
    losses = {outcome.arm: draw(ratios) for outcome in arms if draw(st.integers(0, 4))}
    row = np.array(draw(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2)))
    return Observation(1, 1_000, None, 1, "arms", tuple(arms), label=1, features=row, losses=losses)


arm_lists = st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)
histories = st.lists(observations() | arm_lists, max_size=25)


def tell(policy: SelectionPolicy, state: State, event: Observation | list[str]) -> State:
    return policy.observe(state, event) if isinstance(event, Observation) else policy.change_arms(state, event)


def stored(state: State) -> State:
    copied: State = json.loads(json.dumps(state, allow_nan=False))
    return copied


def check_plan(policy: SelectionPolicy, state: State) -> PlanSpec:
    plan = policy.plan(state, 5_000_000)
    assert set(plan.models + plan.shadows) <= set(state["arms"])
    if plan.kind == "arms":
        assert math.fsum(plan.probabilities) == pytest.approx(1.0, abs=1e-12)
        if policy.explores:
            assert min(plan.probabilities) > 0.0 and set(plan.models) == set(state["arms"])
        assert min(plan.probabilities) >= min(policy.values.get("floor", 0.0), 1 / len(plan.models)) * (1 - 1e-9)
    if plan.kind == "features":
        arms, propensities = policy.select(plan.parameters, np.array([[0.5, -3.0]] * 4), np.random.default_rng(1))
        assert arms.min() >= 0 and arms.max() < len(plan.models)
        assert propensities.min() > 0.0 and propensities.max() <= 1.0 + 1e-9
    return plan


@EVERY
@settings(max_examples=15)
@given(arm_lists, histories)
def test_policy_in_any_history_plans_what_can_be_carried_out(
    document: dict[str, Any], arms: list[str], history: list[Any]
) -> None:
    policy = make_policy(document)
    state = policy.init(arms)
    check_plan(policy, state)
    for event in history:
        state = tell(policy, state, event)
    before = copy.deepcopy(state)
    plan = check_plan(policy, state)
    assert [row.arm for row in policy.summary(state)] == state["arms"]
    assert state == before and policy.plan(stored(state), 5_000_000) == plan
    check_plan(policy, policy.init(NAMES, population=state))


@EVERY
@settings(max_examples=10)
@given(arm_lists, histories)
def test_policy_whose_state_is_stored_after_each_event_learns_the_same(
    document: dict[str, Any], arms: list[str], history: list[Any]
) -> None:
    policy, again = make_policy(document), make_policy(document)
    state = policy.init(arms)
    copied = stored(state)
    for event in history:
        state = tell(policy, state, event)
        copied = stored(tell(again, policy.upgrade(copied), event))
    assert copied == state


@EVERY
@settings(max_examples=10)
@given(st.data())
def test_policy_that_promises_it_plans_the_same_in_any_order(document: dict[str, Any], data: st.DataObject) -> None:
    policy = make_policy(document)
    # Importance weights up to 1e3: with 1e9 sums of different order differ in what a plan shows.
    likely = observations().filter(lambda one: all(outcome.propensity > 1e-3 for outcome in one.arms))
    seen = data.draw(st.lists(likely, max_size=10))
    shuffled = data.draw(st.permutations(seen))
    if not policy.order_free:
        return
    plans = []
    for order in (seen, shuffled):
        state = policy.init(NAMES[:3])
        for one in order:
            state = policy.observe(state, one)
        plans.append(policy.plan(state, 0))
    assert same_plan(*plans) or near_tie(policy, plans)


def near_tie(policy: SelectionPolicy, plans: list[PlanSpec]) -> bool:
    """Whether the best arms are as good as each other but for rounding: then either may be chosen."""
    return policy.name in ("ucb1", "epsilon_greedy", "cascade")


@EVERY
@given(seed=st.integers(0, 2**20))
@settings(max_examples=2)
def test_policy_passes_the_kit_for_users(document: dict[str, Any], seed: int) -> None:
    check_policy(document, seed=seed, rounds=30)


LONG = 10**9


@EVERY
def test_policy_after_a_billion_observations_still_counts_and_plans(document: dict[str, Any]) -> None:
    policy = make_policy(document)
    state = policy.init(NAMES[:3])
    row = np.array([1.0, -2.0])
    for arm in NAMES[:3]:
        outcome = ArmOutcome(arm, 0.3, True, {"confidence": 0.7})
        state = policy.observe(state, Observation(1, 1, None, 1, "arms", (outcome,), 1, None, row, {arm: 0.25}))
    state["observations"] = LONG
    for field, value in state.items():
        if isinstance(value, list) and field not in ("arms", "weight", "reward"):
            state[field] = [number * LONG for number in value]
    for name, record in state.get("records", {}).items():
        state["records"][name] = {key: [number * LONG for number in numbers] for key, numbers in record.items()}
    pulls = list(state["pulls"])
    for arm in NAMES[:3]:
        for loss in (0.0, 1.0):
            outcome = ArmOutcome(arm, 1e-6, True, {"confidence": 0.7})
            state = policy.observe(state, Observation(1, 1, None, 1, "arms", (outcome,), 1, None, row, {arm: loss}))
    assert state["pulls"] == [count + 2 for count in pulls] and state["observations"] == LONG + 6
    assert all(math.isfinite(number) for number in numbers_in(state))
    check_plan(policy, stored(state))


@EVERY
@given(st.data())
@settings(max_examples=15)
def test_damaged_state_is_taken_whole_or_refused_with_a_state_error(
    document: dict[str, Any], data: st.DataObject
) -> None:
    policy = make_policy(document)
    state = policy.init(NAMES[:2])
    for one in data.draw(st.lists(observations(), max_size=4)):
        state = policy.observe(state, one)
    field = data.draw(st.sampled_from(sorted(state)))
    damaged: Any = {**state, field: data.draw(st.sampled_from([None, [], {}, "x", -1, [1.0], [None, None]]))}
    try:
        upgraded = policy.upgrade(damaged)
    except StateError:
        return
    check_plan(policy, upgraded)
