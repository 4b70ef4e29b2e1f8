"""IPS and doubly robust estimates are unbiased exactly: the mean over every log that chance could have made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.evaluation.candidate import targets_of, terms_of
from clipper.evaluation.decision_lines import Decision, Feedback
from clipper.evaluation.direct_model import predict_rewards
from clipper.evaluation.estimates import doubly_robust, ips, snips
from clipper.evaluation.joined_log import JoinedLog, Row
from clipper.evaluation.read_log import no_progress
from clipper.evaluation.replay import Replay
from clipper.selection import make_loss, make_policy

ARMS = ("a:1", "b:1")
QUERIES = 5
CANDIDATES: tuple[dict[str, Any], ...] = (
    {"name": "static", "model": "b"},
    {"name": "epsilon_greedy", "epsilon": 0.3, "discount": 0.9},
)


def logs(rewards: list[list[float]], chances: list[float]) -> Iterator[tuple[float, JoinedLog]]:
    """Yield every log of a policy that chooses the first arm with these chances, and its probability.

    Like a policy that learns, it looks back: after a reward below a half its chance is halved.
    """
    for choices in itertools.product((0, 1), repeat=len(rewards)):
        log, probability, is_wary = JoinedLog(application="digits"), 1.0, False
        for index, choice in enumerate(choices):
            first = chances[index] * (0.5 if is_wary else 1.0)
            of_arms = (first, 1.0 - first)
            reward = rewards[index][choice]
            probability *= of_arms[choice]
            is_wary = reward < 0.5
            decision = Decision(
                query_id=index, at_us=index * 10, application="digits", context=f"user-{index % 2}", policy="p",
                plan_id=0, kind="arms", arms=ARMS, outputs={}, chosen=ARMS[choice], propensity=of_arms[choice],
                probabilities=of_arms, features=(float(index), 1.0),
            )  # fmt: skip
            log.count(decision)
            log.join(Row(decision, Feedback(index, index * 10 + 1, reward=reward), {ARMS[choice]: reward}, reward))
        yield probability, log


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: str(candidate["name"]))
@given(
    rewards=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)).map(list), min_size=QUERIES, max_size=QUERIES),
    chances=st.lists(st.floats(0.05, 0.95), min_size=QUERIES, max_size=QUERIES),
)
@settings(max_examples=10)
def test_estimate_on_average_over_every_possible_log_is_the_truth(
    candidate: dict[str, Any], rewards: list[list[float]], chances: list[float]
) -> None:
    truth, by_ips, by_model = [], [], []
    for probability, log in logs(rewards, chances):
        policy = make_policy(candidate)
        replay = Replay(policy, log.rows, plan_interval_us=0)
        targets = targets_of(log, policy, replay, make_loss(), no_progress)
        terms = terms_of(log, targets)
        truth.append(probability * float((targets.share * np.array(rewards)).sum(axis=1).mean()))
        by_ips.append(probability * ips(terms).reward)
        by_model.append(probability * doubly_robust(terms).reward)
        assert -1e-9 <= snips(terms).reward <= 1.0 + 1e-9 or not terms.weight.any()
    assert math.fsum(by_ips) == pytest.approx(math.fsum(truth), abs=1e-9)
    assert math.fsum(by_model) == pytest.approx(math.fsum(truth), abs=1e-9)


@given(
    data=st.data(), count=st.integers(1, 60), arms=st.integers(1, 4), dimension=st.integers(0, 3)
)  # fmt: skip
def test_direct_model_expects_rewards_of_a_query_whatever_that_query_and_later_ones_earned(
    data: st.DataObject, count: int, arms: int, dimension: int
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rewards = np.where(rng.random((count, arms)) < 0.5, rng.random((count, arms)), np.nan)
    contexts = rng.integers(-1, 3, count)
    features = rng.normal(size=(count, dimension)) if dimension else None
    expected = predict_rewards(rewards, contexts, features)
    assert expected.shape == rewards.shape
    assert ((expected >= 0) & (expected <= 1)).all()
    cut = data.draw(st.integers(0, count - 1))
    changed = rewards.copy()
    changed[cut:] = 1.0
    assert (predict_rewards(changed, contexts, features)[: cut + 1] == expected[: cut + 1]).all()


@given(st.floats(0.05, 0.95))
@settings(max_examples=10)
def test_direct_model_of_steady_rewards_expects_them(reward: float) -> None:
    rewards = np.full((4_000, 2), np.nan)
    rewards[::2, 0], rewards[1::2, 1] = reward, 1.0 - reward
    expected = predict_rewards(rewards, np.full(4_000, -1), None)
    assert expected[-1] == pytest.approx([reward, 1.0 - reward], abs=0.02)


def test_direct_model_learns_what_contexts_and_features_make_of_a_reward() -> None:
    rng = np.random.default_rng(3)
    contexts = rng.integers(0, 10, 4_000)
    features = rng.uniform(-1, 1, (4_000, 300))
    means = 0.5 + 0.1 * (contexts % 2 * 2 - 1) + 0.3 * features[:, 0]
    expected = predict_rewards(means[:, None], contexts, features[:, :3])
    late = slice(2_000, None)
    assert np.abs(expected[late, 0] - means[late]).mean() < 0.02
    projected = predict_rewards(means[:, None], contexts, features)  # more than fit: projected, and not worse than none
    assert np.abs(projected[late, 0] - means[late]).mean() < np.abs(means[late] - 0.5).mean()
