"""Ours beside river's: the same history, the same choice."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from clipper.selection import ArmPolicy, make_policy
from clipper.selection.linear_model import scores
from clipper.selection.policy import State
from tests.support.selection_world import ARMS, judged

pytestmark = pytest.mark.optional("river", "python -m pip install 'river>=0.22'")

CHANCES = {"a:1": 0.7, "b:1": 0.5, "c:1": 0.2}


def policy_of(name: str, **parameters: object) -> ArmPolicy:
    policy = make_policy({"name": name, **parameters})
    assert isinstance(policy, ArmPolicy)
    return policy


def histories(seed: int, rounds: int) -> list[tuple[str, int]]:
    rng = random.Random(seed)
    drawn = [rng.choice(ARMS) for _ in range(rounds)]
    return [(arm, int(rng.random() < CHANCES[arm])) for arm in (*ARMS, *drawn)]


def after(policy: ArmPolicy, history: list[tuple[str, int]]) -> State:
    state = policy.init(ARMS)
    for arm, reward in history:
        state = policy.observe(state, judged({arm: 1.0 - reward}))
    return state


@pytest.mark.parametrize("seed", range(5))
def test_ucb_pulls_the_arm_that_rivers_pulls(seed: int) -> None:
    from river import bandit, stats

    theirs: Any = bandit.UCB(delta=1.0, reward_obj=stats.Mean(), seed=1)
    history = histories(seed, 60)
    for number, (arm, reward) in enumerate(history):
        theirs.update(arm, reward)
        if number >= len(ARMS):
            policy = policy_of("ucb1", exploration=2.0)
            shares = policy.shares(after(policy, history[: number + 1]))
            bounds = [ARMS[index] for index, share in enumerate(shares) if share == 1.0]
            assert theirs.pull(list(ARMS)) in bounds or _tie(history[: number + 1])


def _tie(history: list[tuple[str, int]]) -> bool:
    """Whether two arms have the same record: then either may be pulled."""
    records = [tuple(sorted(reward for name, reward in history if name == arm)) for arm in ARMS]
    return len(set(records)) < len(records)


@pytest.mark.parametrize("seed", range(3))
def test_thompson_gives_the_probabilities_with_which_rivers_pulls(seed: int) -> None:
    from river import bandit, proba

    theirs: Any = bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=seed)
    history = histories(seed, 15)
    for arm, reward in history:
        theirs.update(arm, reward)
    pulls = Counter(theirs.pull(list(ARMS)) for _ in range(4000))
    policy = policy_of("thompson", discount=1.0, sharpness=1.0, floor=0.0)
    ours = dict(zip(ARMS, policy.shares(after(policy, history)), strict=True))
    assert {arm: pulls[arm] / 4000 for arm in ARMS} == pytest.approx(ours, abs=0.04)


def named(row: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return features as river wants them, with the constant that ours adds."""
    return {"constant": 1.0, **{f"feature {place}": float(value) for place, value in enumerate(row)}}


def test_ridge_regression_predicts_what_rivers_predicts() -> None:
    from river import linear_model

    rng = np.random.default_rng(3)
    theirs: Any = linear_model.BayesianLinearRegression(alpha=1.0, beta=1.0)
    policy = policy_of("linucb", ridge=1.0, exploration=0.0, floor=0.0)
    state = policy.init(ARMS)
    for _ in range(40):
        row, reward = rng.standard_normal(3), float(rng.random())
        state = policy.observe(state, judged({"a:1": 1.0 - reward}, features=row))
        theirs.learn_one(named(row), reward)
    row = rng.standard_normal(3)
    means, errors = scores(policy.plan(state, 0).parameters, row[None, :])
    told = theirs.predict_one(named(row), with_dist=True)
    assert means[0, 0] == pytest.approx(told.mu, rel=1e-6)
    # Theirs has the noise of one reward, 1 / beta, in it.
    assert errors[0, 0] ** 2 + 1.0 == pytest.approx(told.sigma**2, rel=1e-6)
