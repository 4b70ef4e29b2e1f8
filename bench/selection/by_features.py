"""Policies that look at the query: linear bandits by their regret, cascades by what they hold and what they spare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.document import table
from bench.selection.figures import Figure, figure_of
from clipper.selection import ArmOutcome, Observation, SelectionPolicy, make_policy

Floats = npt.NDArray[np.float64]
HORIZONS = (500, 2_000, 8_000)
FEATURES, ARMS = 5, ("a:1", "b:1", "c:1")
PLAN_QUERIES = 10
SEEDS = 8
LINEAR: Sequence[Mapping[str, Any]] = (
    {"name": "linucb", "floor": 0.0, "exploration": 0.5},
    {"name": "lin_thompson", "floor": 0.0},
)


def linear_regret(policy: SelectionPolicy, queries: int, seed: int) -> Floats:
    """Return cumulated regret where the expected reward of each arm is linear in the features."""
    rng = np.random.default_rng([7, seed])
    truth = rng.standard_normal((len(ARMS), FEATURES)) / math.sqrt(FEATURES)
    rows = rng.uniform(-1, 1, (queries, FEATURES))
    expected = np.clip(0.5 + 0.4 * rows @ truth.T, 0, 1)
    state = policy.init(ARMS)
    regret = np.zeros(queries)
    for begin in range(0, queries, PLAN_QUERIES):
        plan = policy.plan(state, begin)
        arms, propensities = policy.select(plan.parameters, rows[begin : begin + PLAN_QUERIES], rng)
        for offset, (arm, propensity) in enumerate(zip(arms.tolist(), propensities.tolist(), strict=True)):
            query = begin + offset
            regret[query] = expected[query].max() - expected[query, arm]
            loss = float(rng.random() > expected[query, arm])
            outcome = ArmOutcome(ARMS[arm], propensity, True, 0)
            state = policy.observe(
                state,
                Observation(query, query, None, 0, "features", (outcome,), 0, None, rows[query], {ARMS[arm]: loss}),
            )
    cumulated: Floats = np.cumsum(regret)
    return cumulated


def linear_table(seeds: int) -> tuple[str, list[str]]:
    """Write the regrets, and say which grow faster than sqrt(T) allows."""
    rows, missed = [], []
    for document in LINEAR:
        runs = [linear_regret(make_policy(document), HORIZONS[-1], seed) for seed in range(seeds)]
        figures = [figure_of([float(run[horizon - 1]) for run in runs]) for horizon in HORIZONS]
        power = math.log(figures[-1].mean / figures[-2].mean) / math.log(HORIZONS[-1] / HORIZONS[-2])
        rows.append([f"`{document['name']}`", *(f"{each.mean:.0f} ± {each.half_width:.0f}" for each in figures),
                     f"T^{power:.2f}"])  # fmt: skip
        if power > 0.65:
            missed.append(f"{document['name']}: regret grows as T^{power:.2f}, theory says T^0.5")
    return table(["policy", *(f"T = {horizon:,}" for horizon in HORIZONS), "grows as"], rows), missed


TARGETS = (0.85, 0.9, 0.95)
QUERIES, SETTLED = 10_000, 2_000
DEAR_ACCURACY, CHEAP_COST, DEAR_COST = 0.97, 1.0, 10.0


def cascade_run(target: float, seed: int) -> tuple[float, float]:
    """Return accuracy and share of queries escalated, once settled: cheap is right as often as its confidence says."""
    policy = make_policy({"name": "cascade", "target_accuracy": target, "costs": {"cheap": 1, "dear": 10}})
    rng = np.random.default_rng([11, seed])
    state = policy.init(("cheap:1", "dear:1"))
    right, escalated = np.zeros(QUERIES), np.zeros(QUERIES)
    threshold = 2.0
    for query in range(QUERIES):
        if query % 20 == 0:
            threshold = policy.plan(state, query).thresholds[0]
        confidence = float(rng.uniform(0.4, 1.0))
        losses = {"cheap:1": float(rng.random() > confidence)}
        outcomes = [ArmOutcome("cheap:1", 1.0, confidence >= threshold, {"confidence": confidence})]
        if confidence < threshold:
            losses["dear:1"] = float(rng.random() > DEAR_ACCURACY)
            outcomes.append(ArmOutcome("dear:1", 1.0, True, {"confidence": 0.99}))
            escalated[query] = 1
        right[query] = 1.0 - losses[outcomes[-1].arm]
        state = policy.observe(state, Observation(query, query, None, 0, "cascade", tuple(outcomes), 0, losses=losses))
    return float(right[SETTLED:].mean()), float(escalated[SETTLED:].mean())


def least_escalated(target: float) -> float:
    """Return the share that must be escalated if everything is known."""
    thresholds = np.linspace(0.4, 1.0, 6001)
    share = (thresholds - 0.4) / 0.6
    accuracy = share * DEAR_ACCURACY + (1 - share) * (thresholds + 1.0) / 2
    return float(share[np.argmax(accuracy >= target)])


def cascade_table(seeds: int) -> tuple[str, list[str]]:
    """Write what is held and what is spared, and say which target is missed."""
    rows, missed = [], []
    for target in TARGETS:
        runs = [cascade_run(target, seed) for seed in range(seeds)]
        held, escalated = (figure_of([run[index] for run in runs]) for index in (0, 1))
        rows.append([f"{target:g}", held.text(3), escalated.text(2), Figure(least_escalated(target), 0).text(2)[:3]])
        if held.mean + held.half_width < target:
            missed.append(f"cascade: accuracy {held.mean:.3f} is below its target {target}")
    return table(["target", "held", "escalated", "with everything known"], rows), missed
