"""Simulated traffic: which models are how good for which query, who logged it, and who is to be evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clipper.evaluation.decision_lines import Decision, Feedback
from clipper.evaluation.joined_log import JoinedLog, Row
from clipper.evaluation.replay import observation_of
from clipper.selection import ABSENT, SelectionPolicy, make_policy
from clipper.selection.sticky import drawn, sticky_draw

Matrix = NDArray[np.float64]

ARMS: Final = ("a:1", "b:1", "c:1")
QUERY_INTERVAL_US: Final = 50_000
CLASSES: Final = 10


@dataclass(frozen=True)
class Traffic:
    """What comes, whoever answers; arrays of shape (n, ...)."""

    means: Matrix
    """Expected reward of each arm for each query."""
    contexts: list[str | None]
    features: Matrix | None = None


Generator = Callable[[np.random.Generator, int], Traffic]


@dataclass(frozen=True)
class World:
    """One experiment.

    Parameters
    ----------
    logger : mapping
        The policy that answered and learned; "uniform" stands for equal chances.
    candidate : mapping
        The policy whose reward is estimated.
    delay : int
        Queries until feedback comes.
    feedback_ratio : float
        Share of queries that ever have feedback.
    is_ensemble : bool
        Every model answers every query; rewards come from labels.
    is_sticky : bool
        All queries of a context are drawn once.
    """

    name: str
    title: str
    traffic: Generator
    logger: Mapping[str, Any]
    candidate: Mapping[str, Any]
    queries: int = 1_000
    delay: int = 0
    feedback_ratio: float = 1.0
    is_ensemble: bool = False
    is_sticky: bool = False
    is_per_context: bool = False
    true_reward: float | None = None
    """Where queries differ: the candidate's mean reward over all that could come. None: over those that came."""
    options: Mapping[str, Any] = field(default_factory=dict)


def stationary(*means: float) -> Generator:
    """Every query alike."""
    return lambda rng, n: Traffic(np.tile(means, (n, 1)), [None] * n)


def drifting(before: tuple[float, ...], after: tuple[float, ...]) -> Generator:
    """Halfway the models change places."""
    return lambda rng, n: Traffic(
        np.vstack([np.tile(before, (n // 2, 1)), np.tile(after, (n - n // 2, 1))]), [None] * n
    )


def users(count: int, spread: float) -> Generator:
    """Users for whom the models differ; the mean reward of each model over all users is a half, and a bit more."""

    def generate(rng: np.random.Generator, n: int) -> Traffic:
        levels = np.clip(np.array([0.45, 0.5, 0.55]) + rng.uniform(-spread, spread, (count, 3)), 0.0, 1.0)
        whose = rng.permutation(np.arange(n) % count)
        return Traffic(levels[whose], [f"user-{user}" for user in whose])

    return generate


def linear(rng: np.random.Generator, n: int) -> Traffic:
    """Rewards that depend on two features: each model is good on a part of the queries."""
    features = rng.uniform(-1.0, 1.0, (n, 2))
    slopes = np.array([[0.4, 0.0], [-0.2, 0.2], [0.0, -0.4]])
    return Traffic(0.5 + features @ slopes.T, [None] * n, features)


def simulate(world: World, seed: int) -> tuple[JoinedLog, Traffic]:
    """Let the logger answer the traffic, and return its log."""
    rng = np.random.default_rng(seed)
    traffic = world.traffic(rng, world.queries)
    log = JoinedLog(application=world.name)
    logger = None if world.logger["name"] == "uniform" or world.is_ensemble else make_policy(world.logger)
    state = None if logger is None else logger.init(ARMS)
    waiting: list[tuple[int, Row]] = []
    for index in range(world.queries):
        while logger is not None and state is not None and waiting and waiting[0][0] <= index:
            state = logger.observe(state, observation_of(waiting.pop(0)[1]))
        decision, outcome = _decide(world, traffic, index, rng, logger, state)
        log.count(decision)
        if rng.random() >= world.feedback_ratio:
            continue
        row = _judge(decision, outcome, index, world.delay)
        log.feedback += 1
        log.join(row)
        waiting.append((index + 1 + world.delay, row))
    return log, traffic


def _decide(
    world: World, traffic: Traffic, index: int, rng: np.random.Generator, logger: SelectionPolicy | None, state: Any
) -> tuple[Decision, Any]:
    """Return a decision, and what makes its reward: the reward itself, or of an ensemble the label."""
    rewards = rng.random(len(ARMS)) < traffic.means[index]
    common: dict[str, Any] = {
        "query_id": index + 1,
        "at_us": index * QUERY_INTERVAL_US,
        "application": world.name,
        "context": traffic.contexts[index],
        "policy": str(world.logger["name"]),
        "plan_id": index,
        "arms": ARMS,
        "features": None if traffic.features is None else tuple(traffic.features[index]),
    }
    if world.is_ensemble:
        label = int(rng.integers(CLASSES))
        wrong = (label + rng.integers(1, CLASSES, len(ARMS))) % CLASSES
        outputs = {arm: label if right else int(w) for arm, right, w in zip(ARMS, rewards, wrong, strict=True)}
        return Decision(kind="members", outputs=outputs, **common), label
    chances = (1 / 3, 1 / 3, 1 / 3)
    if logger is not None:
        chances = logger.plan(state, index * QUERY_INTERVAL_US).probabilities  # type: ignore[assignment]
    context = traffic.contexts[index]
    # The seed is part of the context's name, so that a sticky draw differs from log to log.
    salt = f"{rng.bit_generator.seed_seq.entropy}:{context}"  # type: ignore[attr-defined]
    chosen = drawn(chances, sticky_draw(salt) if world.is_sticky else rng.random())
    decision = Decision(
        kind="arms", chosen=ARMS[chosen], propensity=chances[chosen], probabilities=chances, outputs={}, **common
    )
    return decision, float(rewards[chosen])


def _judge(decision: Decision, outcome: Any, index: int, delay: int) -> Row:
    at_us = (index + delay) * QUERY_INTERVAL_US + 1
    if decision.chosen is None:
        rewards = {arm: float(output == outcome) for arm, output in decision.outputs.items()}
        return Row(decision, Feedback(decision.query_id, at_us, label=outcome), rewards, None)
    feedback = Feedback(decision.query_id, at_us, label=ABSENT, reward=outcome)
    return Row(decision, feedback, {decision.chosen: outcome}, outcome)
