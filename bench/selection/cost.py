"""What one fold and one plan cost, for five arms, on this machine now."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bench.document import table
from clipper.selection import POLICIES, ArmOutcome, Observation, make_policy
from clipper.selection.try_out import ARMS

FEATURES = 8
_ROUNDS = 5
_CALLS = 300


def least_us(call: Callable[[], object]) -> float:
    """Return the least mean of several rounds, in time of the processor: what it costs when nothing else runs."""
    means = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_CALLS):
            call()
        means.append((time.process_time() - began) / _CALLS * 1e6)
    return min(means)


def cost_table() -> str:
    """Write the cost of a fold of one arm (all arms for ensembles), and of a plan."""
    rows = []
    for name, kind in POLICIES.items():
        policy = make_policy(name)
        state = policy.init(ARMS)
        plan = policy.plan(state, 0)
        asked = ARMS if plan.kind == "members" else ARMS[:2] if plan.kind == "cascade" else ARMS[:1]
        outcomes = tuple(ArmOutcome(arm, 0.3, True, {"confidence": 0.7}) for arm in asked)
        row = np.linspace(-1, 1, FEATURES) if kind.needs_features else None
        observation = Observation(1, 1, None, 1, plan.kind, outcomes, 0, None, row, dict.fromkeys(asked, 0.25))
        fold = least_us(lambda policy=policy, state=state, one=observation: policy.observe(state, one))  # type: ignore[misc]
        planned = least_us(lambda policy=policy, state=state: policy.plan(state, 0))  # type: ignore[misc]
        rows.append([f"`{name}`", f"{fold:.0f}", f"{planned:.0f}"])
    return table(["policy", "fold, us", "plan, us"], rows)
