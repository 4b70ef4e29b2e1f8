"""What sets each policy apart, in a few observations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clipper.errors import InvalidArgumentError
from clipper.selection import ArmPolicy, make_policy
from clipper.selection.arm_policy import with_floor
from clipper.selection.best_arm import best_of_betas, best_of_normal_rows, best_of_normals, normal_cdf
from clipper.selection.policy import State
from clipper.selection.tsallis_inf import tsallis_weights
from tests.support.selection_world import ARMS, judged


def fed(policy: ArmPolicy, *losses: dict[str, float], propensity: float = 1.0) -> State:
    """Return the state after observations with these losses."""
    state = policy.init(ARMS)
    for each in losses:
        state = policy.observe(state, judged(each, propensity))
    return state


def policy_of(name: str, **parameters: object) -> ArmPolicy:
    policy = make_policy({"name": name, **parameters})
    assert isinstance(policy, ArmPolicy)
    return policy


def shares(policy: ArmPolicy, state: State) -> dict[str, float]:
    return dict(zip(state["arms"], policy.shares(state), strict=True))


BANDITS = ("epsilon_greedy", "ucb1", "thompson", "exp3", "exp3_ix", "tsallis_inf")


@pytest.mark.parametrize("name", [*BANDITS, "hedge", "exp4"])
def test_learning_policy_ends_with_most_weight_on_the_best_arm(name: str) -> None:
    policy = policy_of(name)
    state = fed(policy, *[{"a:1": 0.9, "b:1": 0.1, "c:1": 0.6}] * 60)
    assert max(shares(policy, state), key=shares(policy, state).__getitem__) == "b:1"
    best = {row.arm: row.mean_reward for row in policy.summary(state)}
    assert best == pytest.approx({"a:1": 0.1, "b:1": 0.9, "c:1": 0.4})


@pytest.mark.parametrize("name", ["thompson", "hedge", "exp3_ix"])
def test_forgetting_policy_comes_back_to_an_arm_that_recovers(name: str) -> None:
    policy = policy_of(name)
    good, bad = {"a:1": 0.1, "b:1": 0.9, "c:1": 1.0}, {"a:1": 0.9, "b:1": 0.1, "c:1": 1.0}
    state = fed(policy, *[good] * 3000, *[bad] * 3000)
    assert shares(policy, state)["b:1"] > 0.9
    for _ in range(3000):
        state = policy.observe(state, judged(good))
    assert shares(policy, state)["a:1"] > 0.9


def test_policy_without_forgetting_does_not_come_back_in_the_same_time() -> None:
    policy = policy_of("exp4")
    state = fed(policy, *[{"a:1": 0.9, "b:1": 0.1}] * 3000, *[{"a:1": 0.1, "b:1": 0.9}] * 2000)
    assert shares(policy, state)["a:1"] < 1e-6


@pytest.mark.parametrize("name", BANDITS)
def test_new_arm_enters_neither_as_the_best_nor_as_the_worst_known(name: str) -> None:
    policy = policy_of(name, **({"floor": 0.0} if name not in ("epsilon_greedy",) else {}))
    state = fed(policy, *[{"a:1": 0.9, "b:1": 0.1}] * 40)
    state = policy.change_arms(state, ["a:1", "new:1", "b:1"])
    assert state["arms"] == ["a:1", "new:1", "b:1"] and state["pulls"] == [40, 0, 40]
    found = shares(policy, state)
    assert found["new:1"] >= found["a:1"]


@pytest.mark.parametrize("name", ["hedge", "exp4", "exp3"])
def test_new_arm_of_exponential_weights_enters_at_the_average_weight(name: str) -> None:
    alone: dict[str, dict[str, object]] = {"exp3": {"floor": 0.0}, "hedge": {"vote_expert": False}}
    policy = policy_of(name, **alone.get(name, {}))
    state = fed(policy, *[{"a:1": 0.9, "b:1": 0.1, "c:1": 0.5}] * 4)
    found = shares(policy, policy.change_arms(state, [*ARMS, "new:1"]))
    assert found["new:1"] == pytest.approx(0.25)


def test_importance_weights_use_the_propensity_that_was_logged() -> None:
    policy = policy_of("exp3")
    assert fed(policy, {"a:1": 0.5}, propensity=0.25)["loss_sum"] == [2.0, 0.0, 0.0]
    implicit = policy_of("exp3_ix", eta=0.1, share=0.0)
    assert fed(implicit, {"a:1": 0.5}, propensity=0.25)["loss_sum"][0] == pytest.approx(0.5 / 0.3)


def test_ucb_shares_queries_between_arms_of_which_nothing_is_known() -> None:
    policy = policy_of("ucb1")
    assert shares(policy, fed(policy, {"a:1": 0.0})) == {"a:1": 0.0, "b:1": 0.5, "c:1": 0.5}


def test_ucb_chooses_the_bound_of_its_paper() -> None:
    policy = policy_of("ucb1")
    state = fed(policy, *[{"a:1": 0.4}] * 30, *[{"b:1": 0.5}] * 5, *[{"c:1": 0.9}] * 20)
    bounds = [0.6 + math.sqrt(2 * math.log(55) / 30), 0.5 + math.sqrt(2 * math.log(55) / 5)]
    assert bounds[1] > bounds[0] and shares(policy, state)["b:1"] == 1.0


def test_thompson_integral_agrees_with_samples() -> None:
    alphas, betas = np.array([2.0, 30.0, 800.0, 1.0]), np.array([1.0, 20.0, 500.0, 40.0])
    samples = np.random.default_rng(1).beta(alphas, betas, size=(200_000, 4))
    seen = np.bincount(samples.argmax(axis=1), minlength=4) / 200_000
    assert best_of_betas(alphas, betas) == pytest.approx(seen, abs=0.005)


def test_thompson_integral_holds_from_nothing_known_to_a_billion_observations() -> None:
    assert best_of_betas(np.ones(4), np.ones(4)) == pytest.approx([0.25] * 4, abs=1e-9)
    huge = best_of_betas(np.array([5e8, 5e8 + 2e4, 1.0]), np.array([5e8, 5e8 - 2e4, 1e9]))
    deviation = math.sqrt(0.25 / 1e9)
    expected = float(normal_cdf(np.array(2e-5 / (deviation * math.sqrt(2)))))
    assert huge == pytest.approx([1 - expected, expected, 0.0], abs=5e-3)


def test_normal_integrals_agree_with_samples_and_with_each_other() -> None:
    means, deviations = np.array([0.5, 0.6, 0.2]), np.array([0.1, 0.2, 0.3])
    samples = np.random.default_rng(1).normal(means, deviations, size=(200_000, 3))
    seen = np.bincount(samples.argmax(axis=1), minlength=3) / 200_000
    assert best_of_normals(means, deviations) == pytest.approx(seen, abs=0.005)
    assert best_of_normal_rows(means[None, :], deviations[None, :])[0] == pytest.approx(seen, abs=0.02)


def test_normal_integral_of_certain_arms_is_the_larger_mean() -> None:
    assert best_of_normal_rows(np.array([[0.2, 0.7]]), np.full((1, 2), 1e-9))[0] == pytest.approx([0.0, 1.0])


def test_tsallis_weights_solve_their_equation() -> None:
    sums, eta = [0.0, 3.0, 50.0, 1e12], 0.4
    weights = tsallis_weights(sums, eta)
    # weight = 4 / (eta (sum - x))**2 has the same x for all.
    solutions = [total - 2 / (eta * math.sqrt(weight)) for total, weight in zip(sums[:3], weights[:3], strict=True)]
    assert sum(weights) == pytest.approx(1.0) and min(weights) > 0
    assert solutions == pytest.approx([solutions[0]] * 3, rel=1e-6)


def test_hedge_does_not_hold_a_missing_output_against_a_model_nor_for_it() -> None:
    policy = policy_of("hedge", share=0.0, vote_expert=False)
    state = fed(policy, {"a:1": 1.0, "b:1": 0.0})
    found = shares(policy, state)
    assert found["c:1"] == pytest.approx(1 / 3)
    assert found["b:1"] / found["a:1"] == pytest.approx(math.exp(0.3))


def test_hedge_with_one_known_loss_learns_nothing_from_it() -> None:
    policy = policy_of("hedge")
    assert shares(policy, fed(policy, {"a:1": 1.0})) == pytest.approx(dict.fromkeys(ARMS, 1 / 3))


def test_fixed_share_keeps_every_weight_above_its_part() -> None:
    policy = policy_of("hedge", share=0.003)
    state = fed(policy, *[{"a:1": 1.0, "b:1": 0.0, "c:1": 1.0}] * 2000)
    assert min(shares(policy, state).values()) >= 0.001


def test_context_starts_near_the_population_and_changes_its_mind_sooner() -> None:
    for name in ("thompson", "hedge"):
        policy = policy_of(name)
        population = fed(policy, *[{"a:1": 0.0, "b:1": 1.0, "c:1": 1.0}] * 500)
        context = policy.init(ARMS, population=population)
        assert shares(policy, context)["a:1"] > 0.6
        against = judged({"a:1": 1.0, "b:1": 0.0, "c:1": 1.0})
        for _ in range(12):
            context, population = policy.observe(context, against), policy.observe(population, against)
        assert shares(policy, context)["b:1"] > shares(policy, population)["b:1"]
        assert shares(policy, context)["b:1"] > 0.5


def test_static_policy_asks_the_model_it_is_given_or_the_first() -> None:
    state = policy_of("static").init(ARMS)
    assert policy_of("static").plan(state, 0).probabilities == (1.0, 0.0, 0.0)
    assert policy_of("static", model="b").plan(state, 0).probabilities == (0.0, 1.0, 0.0)
    assert policy_of("static", model="c:1").plan(state, 0).probabilities == (0.0, 0.0, 1.0)
    assert policy_of("static", model="gone").plan(state, 0).probabilities == (1.0, 0.0, 0.0)


def test_ab_split_gives_each_model_its_share_and_is_sticky() -> None:
    policy = policy_of("ab_split", weights={"a": 3, "b:1": 1, "gone": 5})
    plan = policy.plan(policy.init(ARMS), 0)
    assert plan.sticky and plan.probabilities == (0.75, 0.25, 0.0)
    assert policy_of("ab_split", weights={"gone": 1}, sticky=False).plan(policy.init(ARMS), 0).sticky is False


def test_shadow_asks_candidates_that_never_answer() -> None:
    policy = policy_of("shadow", model="b")
    plan = policy.plan(policy.init(ARMS), 0)
    assert (plan.models, plan.shadows) == (("b:1",), ("a:1", "c:1"))
    one = policy_of("shadow", candidates=["c", "gone", "a"]).plan(policy.init(ARMS), 0)
    assert (one.models, one.shadows) == (("a:1",), ("c:1",))


def test_ensemble_plans_say_rule_and_weights() -> None:
    state = policy_of("majority").init(ARMS)
    assert policy_of("majority", answer_when_decided=False).plan(state, 0).to_json() == {
        "plan_id": 0, "kind": "members", "models": list(ARMS), "rule": "majority", "answer_when_decided": False,
        "observe_all_ratio": 0.0, "min_confidence": 0.0,
    }  # fmt: skip
    weighted = policy_of("ensemble", rule="weighted", weights={"b": 2, "c": 2}).plan(state, 0)
    assert weighted.weights == (0.0, 0.5, 0.5)
    assert policy_of("mean").plan(state, 0).weights == ()


@pytest.mark.parametrize("name", ["static", "thompson", "hedge", "linucb", "cascade", "shadow"])
def test_policy_without_models_says_that_none_is_linked(name: str) -> None:
    policy = policy_of(name)
    with pytest.raises(InvalidArgumentError, match="no model is linked"):
        policy.plan(policy.init([]), 0)
    assert policy.summary(policy.init([])) == []


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -0.1], [math.nan, 1.0], [math.inf, 1.0]])
def test_probabilities_that_are_none_are_refused_with_their_values(weights: list[float]) -> None:
    with pytest.raises(InvalidArgumentError, match="expected finite numbers from 0, not all 0"):
        with_floor(weights, 0.01)


def test_policy_whose_numbers_have_the_names_of_the_book_keeping_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"per_arm of Clash has \['arms', 'pulls'\]"):
        type("Clash", (ArmPolicy,), {"per_arm": {"pulls": 0.0, "arms": 0.0}, "name": "clash"})


def test_floor_is_kept_and_uniform_where_it_cannot_be() -> None:
    assert with_floor([1.0, 0.0, 0.0], 0.01) == pytest.approx((0.98, 0.01, 0.01))
    assert with_floor([1.0, 0.0], 0.9) == (0.5, 0.5)
