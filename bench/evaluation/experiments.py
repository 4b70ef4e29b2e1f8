"""The experiments: what may make an estimate wrong, one at a time."""

from __future__ import annotations

from typing import Final

from bench.evaluation.worlds import World, drifting, linear, stationary, users

EXPERIMENTS: Final = (
    World(
        "uniform",
        "models drawn uniformly; the candidate always asks one",
        stationary(0.9, 0.8, 0.6),
        {"name": "uniform"},
        {"name": "static", "model": "b"},
    ),
    World(
        "greedy",
        "epsilon-greedy log (epsilon 0.1): the candidate's model had 3% of the queries",
        stationary(0.9, 0.8, 0.6),
        {"name": "epsilon_greedy", "epsilon": 0.1},
        {"name": "static", "model": "b"},
        queries=2_000,
    ),
    World(
        "rare",
        "feedback for a tenth of the queries",
        stationary(0.9, 0.8, 0.6),
        {"name": "epsilon_greedy", "epsilon": 0.3},
        {"name": "static", "model": "b"},
        queries=5_000,
        feedback_ratio=0.1,
    ),
    World(
        "drift",
        "halfway the best model becomes the worst; the candidate always asks it",
        drifting((0.9, 0.8, 0.6), (0.3, 0.8, 0.6)),
        {"name": "epsilon_greedy", "epsilon": 0.2, "discount": 0.99},
        {"name": "static", "model": "a"},
        queries=2_000,
    ),
    World(
        "features",
        "the models' rewards depend on features; the log ignores them",
        linear,
        {"name": "epsilon_greedy", "epsilon": 0.3},
        {"name": "static", "model": "b"},
        queries=2_000,
        true_reward=0.5,
    ),
    World(
        "users",
        "200 users, one draw for each of them (sticky), 10 queries each",
        users(200, 0.4),
        {"name": "uniform"},
        {"name": "static", "model": "c"},
        queries=2_000,
        is_sticky=True,
        true_reward=0.55,
    ),
    World(
        "learner",
        "the candidate learns from the log, with feedback 100 queries late",
        stationary(0.7, 0.6, 0.5),
        {"name": "uniform"},
        {"name": "epsilon_greedy", "epsilon": 0.05},
        delay=100,
    ),
    World(
        "learners",
        "log and candidate learn, in a world that changes halfway",
        drifting((0.9, 0.8, 0.6), (0.3, 0.8, 0.6)),
        {"name": "epsilon_greedy", "epsilon": 0.3, "discount": 0.99},
        {"name": "epsilon_greedy", "epsilon": 0.1, "discount": 0.98},
        queries=2_000,
    ),
    World(
        "ensemble",
        "an ensemble's log, where every output is known; the candidate asks one model",
        stationary(0.9, 0.8, 0.6),
        {"name": "majority"},
        {"name": "static", "model": "b"},
        is_ensemble=True,
    ),
)
