"""The vote of all as an expert of `hedge`: what it counts, and when it is followed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.selection.play import Pace, play
from bench.selection.worlds import World, steady_rates, world_of
from clipper.errors import StateError
from clipper.selection import ArmOutcome, Observation, make_policy
from clipper.selection.observation import ABSENT
from clipper.selection.vote_expert import ballot_of, count_pairs, vote_weights, winner_of

ERRORS = (0.3, 0.25, 0.2, 0.2)
ARMS = ("a:1", "b:1", "c:1")
PACE = Pace(plan_queries=20, delay_queries=0)
jsons = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.floats(-1, 1), st.text(max_size=2)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=1), inner, max_size=2)),
    max_leaves=4,
)


def error_of(document: dict[str, Any], world: World) -> float:
    return float(play(make_policy(document), world, PACE, 0).losses[500:].mean())


def observed(outputs: tuple[Any, ...], label: Any) -> Observation:
    outcomes = tuple(ArmOutcome(arm, output=output) for arm, output in zip(ARMS, outputs, strict=True))
    losses = {arm: float(output != label) for arm, output in zip(ARMS, outputs, strict=True) if output is not ABSENT}
    return Observation(1, 0, None, 0, "members", outcomes, label, losses=losses)


def test_independent_errors_are_outvoted() -> None:
    world = world_of(steady_rates(ERRORS, 3_000), 1)
    best = float(world.losses[500:].mean(axis=0).min())
    assert error_of({"name": "hedge"}, world) < 0.5 * best
    assert error_of({"name": "hedge", "vote_expert": False}, world) > 0.8 * best


def test_common_errors_cost_no_more_than_with_the_best_model_alone() -> None:
    rates = steady_rates((0.5, 0.5, 0.5, 0.1), 3_000)
    world = world_of(rates, 1, correlation=1.0, common_mistakes=1.0)
    best = float(world.losses[500:].mean(axis=0).min())
    assert float(np.mean(error_of({"name": "majority"}, world))) > 4 * best
    assert error_of({"name": "hedge"}, world) <= 1.05 * best


def test_weights_of_two_classes_are_the_log_odds() -> None:
    found = vote_weights([0.1, 0.3], wrong_pairs=1e6, alike_pairs=1e6)
    odds = [math.log(0.9 / 0.1), math.log(0.7 / 0.3)]
    assert found == pytest.approx([each / sum(odds) for each in odds], rel=1e-5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 1e9), st.floats(0, 1))
def test_weights_are_positive_and_sum_to_one_and_fall_with_the_error(
    errors: list[float], pairs: float, ratio: float
) -> None:
    weights = vote_weights(errors, pairs, pairs * ratio)
    assert math.fsum(weights) == pytest.approx(1.0) and min(weights) > 0.0
    by_error = [weight for _, weight in sorted(zip(errors, weights, strict=True))]
    assert all(one >= other for one, other in zip(by_error, by_error[1:], strict=False))


@given(st.lists(jsons, min_size=1, max_size=4))
def test_ballots_are_equal_where_outputs_have_the_same_json(outputs: list[Any]) -> None:
    for one in outputs:
        for other in outputs:
            same = type(one) is type(other) and one == other and repr(one) == repr(other)
            if same:
                assert ballot_of(one) == ballot_of(other)
    assert ballot_of(1) != ballot_of(1.0) != ballot_of(True) and ballot_of("1") != ballot_of(1)
    assert ballot_of({"a": 1, "b": [2]}) == ballot_of({"b": [2], "a": 1}) and ballot_of(ABSENT) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.001, 1)), min_size=1, max_size=6))
def test_winner_is_the_first_of_those_with_most_weight(votes: list[tuple[int, float]]) -> None:
    winner = winner_of([ballot for ballot, _ in votes], [weight for _, weight in votes])
    sums = {ballot: math.fsum(weight for each, weight in votes if each == ballot) for ballot, _ in votes}
    assert sums[int(str(winner))] == pytest.approx(max(sums.values()))
    assert winner_of(["x", "y"], [0.5, 0.5]) == "x"


@given(st.lists(st.integers(0, 2), max_size=6))
def test_pairs_that_err_alike_are_counted_once_each(ballots: list[int]) -> None:
    pairs, alike = count_pairs(ballots)
    assert pairs == len(ballots) * (len(ballots) - 1) // 2
    assert alike == sum(math.comb(ballots.count(each), 2) for each in set(ballots))


def test_feedback_by_reward_leaves_the_vote_where_it_was() -> None:
    policy = make_policy({"name": "hedge", "share": 0.0})
    state = policy.observe(policy.init(ARMS), observed((1, 2, ABSENT), 1))
    before = dict(state)
    outcomes = tuple(ArmOutcome(arm) for arm in ARMS)
    rewarded = Observation(2, 0, None, 0, "members", outcomes, reward=0.0, losses=dict.fromkeys(ARMS, 1.0))
    after = policy.observe(state, rewarded)
    assert (after["wrong_pairs"], after["alike_pairs"]) == (before["wrong_pairs"], before["alike_pairs"])


def test_state_without_a_vote_is_taken_over_with_its_weights() -> None:
    policy = make_policy({"name": "hedge"})
    old = {"policy": "hedge", "version": 1, "arms": list(ARMS), "observations": 3, "pulls": [3, 3, 3]}
    old |= {"weight": [3.0] * 3, "reward": [0.0, 3.0, 0.0], "loss_sum": [3.0, 0.0, 3.0]}
    state = policy.upgrade(old)
    assert state["version"] == 2
    plan = policy.plan(state, 0)
    assert plan.weights is not None and max(plan.weights) == plan.weights[1]


@pytest.mark.parametrize("field", ["vote_loss_sum", "wrong_pairs", "alike_pairs"])
def test_state_with_a_damaged_vote_is_refused(field: str) -> None:
    policy = make_policy({"name": "hedge"})
    with pytest.raises(StateError, match=field):
        policy.upgrade({**policy.init(ARMS), field: math.nan})
