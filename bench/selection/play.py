"""A policy in a world, with plans and feedback as the real system has them: late, and many at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.selection.worlds import World
from clipper.selection import ArmOutcome, Observation, PlanSpec, SelectionPolicy

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pace:
    """When what is known reaches the policy, in queries.

    Parameters
    ----------
    plan_queries : int
        Queries between two plans: 20 are 20 ms at 1,000 queries/s.
    delay_queries : int
        Queries between an answer and its feedback.
    """

    plan_queries: int = 20
    delay_queries: int = 0


@dataclass(frozen=True)
class Played:
    """What happened.

    Parameters
    ----------
    losses : ndarray, shape (queries,)
        Of the answers.
    shares : ndarray, shape (queries, models)
        Probabilities or weights of the models, as planned.
    """

    losses: Floats
    shares: Floats


def play(policy: SelectionPolicy, world: World, pace: Pace, seed: int) -> Played:
    """Answer every query of a world by a policy's plans."""
    rng = np.random.default_rng([42, seed])
    queries, losses = len(world.labels), world.losses
    state = policy.init(world.arms)
    answered, shares = np.zeros(queries), np.zeros(world.outputs.shape)
    waiting: list[Observation] = []
    folded = 0
    for begin in range(0, queries, pace.plan_queries):
        end = min(queries, begin + pace.plan_queries)
        arrived = max(0, begin - pace.delay_queries)
        for observation in waiting[folded:arrived]:
            state = policy.observe(state, observation)
        folded = arrived
        plan = policy.plan(state, begin * 1000)
        chosen = _answers(plan, world, begin, end, rng)
        answered[begin:end] = losses[np.arange(begin, end), chosen]
        shares[begin:end] = _shares(plan, world)
        waiting.extend(_observations(plan, world, losses, begin, chosen))
    return Played(answered, shares)


def _answers(plan: PlanSpec, world: World, begin: int, end: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return for each query the index of the model whose output is the answer."""
    order = [world.arms.index(model) for model in plan.models]
    outputs = world.outputs[begin:end][:, order]
    if plan.kind == "arms":
        drawn = np.searchsorted(np.cumsum(plan.probabilities), rng.random(end - begin), side="right")
        return np.array(order, dtype=np.int64)[np.minimum(drawn, len(order) - 1)]
    weights = np.array(plan.weights or [1.0] * len(order))
    # The votes behind each model's own output; the first of several largest is the one linked first.
    votes = ((outputs[:, :, None] == outputs[:, None, :]) * weights).sum(axis=2)
    best: npt.NDArray[np.int64] = np.argmax(np.round(votes, 12), axis=1)
    return np.array(order, dtype=np.int64)[best]


def _shares(plan: PlanSpec, world: World) -> list[float]:
    given = plan.probabilities or plan.weights or [1.0] * len(plan.models)
    whole = sum(given)
    by_arm = dict(zip(plan.models, given, strict=True))
    return [by_arm.get(arm, 0.0) / whole for arm in world.arms]


def _observations(
    plan: PlanSpec, world: World, losses: Floats, begin: int, chosen: npt.NDArray[np.int64]
) -> list[Observation]:
    made = []
    outcomes: tuple[ArmOutcome, ...]
    arms = world.arms
    for offset, arm in enumerate(chosen.tolist()):
        query = begin + offset
        if plan.kind == "arms":
            name = arms[arm]
            outcomes = (
                ArmOutcome(name, plan.probabilities[plan.models.index(name)], True, int(world.outputs[query, arm])),
            )
            known = {name: float(losses[query, arm])}
        else:
            row = world.outputs[query].tolist()
            outcomes = tuple(ArmOutcome(name, 1.0, True, output) for name, output in zip(arms, row, strict=True))
            known = dict(zip(arms, losses[query].tolist(), strict=True))
        label = int(world.labels[query])
        made.append(Observation(query, query * 1000, None, 0, plan.kind, outcomes, label, losses=known))
    return made
