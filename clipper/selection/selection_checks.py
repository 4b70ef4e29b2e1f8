"""The checks behind `clipper.selection.testing`: each yields what contradicts its claim."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from clipper.errors import StateError
from clipper.selection.observation import ArmOutcome, Observation
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import State
from clipper.selection.try_out import ARMS, FEATURES, OTHER_ARMS, START_US, TryOut, json_copy, numbers_in

# Two plans are the same if their numbers are: sums in another order differ by rounding.
_CLOSE: Final = 1e-6
_EXTREME_ROUNDS: Final = 600
_DRAWS: Final = 4000


def state_is_json(world: TryOut) -> Iterator[str]:
    for when, state in (("init", world.policy.init(ARMS)), ("observe", world.run())):
        try:
            same = json_copy(state) == state
        except (TypeError, ValueError) as error:
            yield f"the state of {when} cannot be written as JSON: {error}"
            continue
        if not same:
            yield f"the state of {when} is another one when it is read back: tuples and keys that are no texts do that"
        for name, value in (("policy", world.policy.name), ("version", world.policy.version), ("arms", list(ARMS))):
            if state.get(name) != value:
                yield f"the state of {when} has {name}={state.get(name)!r} instead of {value!r}"


def plans_are_valid(world: TryOut) -> Iterator[str]:
    for arms in (ARMS, ARMS[:1], ARMS[:2]):
        for when, state in (("before feedback", world.policy.init(arms)), ("after feedback", world.run(arms))):
            yield from _plan_problems(world, state, arms, f"with {len(arms)} model(s) {when}")


def _plan_problems(world: TryOut, state: State, arms: Sequence[str], where: str) -> Iterator[str]:
    plan = world.policy.plan(state, START_US)
    if not isinstance(plan, PlanSpec):
        yield f"plan {where} is {type(plan).__name__}, not PlanSpec"
        return
    strangers = set(plan.models + plan.shadows) - set(arms)
    if strangers:
        yield f"plan {where} names {sorted(strangers)}, which are not linked"
    if PlanSpec.from_json(json_copy(plan.to_json())) != plan:
        yield f"plan {where} is another one when it is read back from JSON"
    if plan.plan_id != 0:
        yield f"plan {where} has plan_id {plan.plan_id}; plans are numbered when they are published"


def plans_explore(world: TryOut) -> Iterator[str]:
    if not world.policy.explores:
        return
    for state in (world.policy.init(ARMS), world.run(), _extreme(world, worst=1.0)):
        plan = world.policy.plan(state, START_US)
        if plan.kind == "arms":
            least = min(plan.probabilities, default=0.0)
            missing = set(ARMS) - set(plan.models)
            if least <= 0.0 or missing:
                yield f"explores is true, and a plan gives {least!r} to a model, or leaves out {sorted(missing)}"
                return


def plans_are_deterministic(world: TryOut) -> Iterator[str]:
    state = world.run()
    before = copy.deepcopy(state)
    first = world.policy.plan(state, START_US)
    if state != before:
        yield "plan changes the state"
    for _ in range(3):
        if world.policy.plan(json_copy(before), START_US) != first:
            yield "plan gives different plans for the same state: keep a seed in the state if it needs chance"
            return


def folds_are_deterministic(world: TryOut) -> Iterator[str]:
    state = world.policy.init(ARMS)
    straight, stored = copy.deepcopy(state), copy.deepcopy(state)
    for observation in world.observations(state, world.rounds):
        straight = world.policy.observe(straight, observation)
        stored = world.policy.observe(json_copy(stored), observation)
    if straight != stored:
        yield "a state that was written and read back between observations becomes another one"


def policy_is_stateless(world: TryOut) -> Iterator[str]:
    before = copy.deepcopy(vars(world.policy))
    alone = world.run()
    # Another state in between, as of another context: nothing of it may show.
    other, mixed = world.policy.init(OTHER_ARMS), world.policy.init(ARMS)
    for batch in range(0, world.rounds, 10):
        other_observations = world.observations(other, 3, seed=7)
        for observation in world.observations(mixed, min(10, world.rounds - batch), 1000 * batch):
            mixed = world.policy.observe(mixed, observation)
        for observation in other_observations:
            other = world.policy.observe(other, observation)
    if vars(world.policy) != before:
        yield "attributes of the policy object have changed: everything learned belongs into the state"
    if mixed != alone:
        yield "two states are not independent of each other: is something shared between calls?"


def observations_are_left_alone(world: TryOut) -> Iterator[str]:
    state = world.policy.init(ARMS)
    for observation in world.observations(state, world.rounds):
        before = (copy.deepcopy(observation.to_json()), dict(observation.losses))
        state = world.policy.observe(state, observation)
        if (observation.to_json(), dict(observation.losses)) != before:
            yield "observe changes the observation"
            return


def order_is_free(world: TryOut) -> Iterator[str]:
    if not world.policy.order_free:
        return
    observations = world.observations(world.policy.init(ARMS), world.rounds)
    plans = []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(observations)) if seed else range(len(observations))
        state = world.policy.init(ARMS)
        for index in order:
            state = world.policy.observe(state, observations[int(index)])
        plans.append(world.policy.plan(state, START_US))
    if any(not same_plan(plans[0], plan) for plan in plans[1:]):
        yield "order_free is true, and the same observations in another order give another plan"


def same_plan(one: PlanSpec, other: PlanSpec) -> bool:
    """Whether two plans are the same but for rounding."""
    first, second = one.to_json(), other.to_json()
    for document in (first, second):
        document.pop("parameters", None)
    return _close(first, second)


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _CLOSE
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    return bool(one == other)


def arms_change(world: TryOut) -> Iterator[str]:
    state = world.run()
    late = world.observations(state, 5, seed=3)
    for arms in (OTHER_ARMS, OTHER_ARMS[:1], ("brand-new:1",), ARMS):
        before = copy.deepcopy(state)
        changed = world.policy.change_arms(copy.deepcopy(state), arms)
        if state != before:
            yield "change_arms of a copy changes the state that was copied"
        state = json_copy(changed)
        if state.get("arms") != list(arms):
            yield f"change_arms to {list(arms)} leaves arms={state.get('arms')!r} in the state"
            return
        yield from _plan_problems(world, state, arms, f"after a change to {list(arms)}")
        for observation in late:  # of models that may be gone
            state = world.policy.observe(state, observation)
        yield from _plan_problems(world, state, arms, f"after late feedback for other models than {list(arms)}")


def gaps_are_passed_over(world: TryOut) -> Iterator[str]:
    state = world.run()
    before = world.policy.plan(state, START_US)
    unscored = Observation(1, START_US, None, 1, "arms", (ArmOutcome(ARMS[0], 0.5, True, "?"),), label=0)
    stranger = Observation(
        2, START_US, None, 1, "arms", (ArmOutcome("stranger:1", 0.5, True, 1),), label=0, losses={"stranger:1": 1.0}
    )
    empty = Observation(None, START_US, "a context", 1, "input", (), label=0)
    for what, observation in (("no loss", unscored), ("an unknown model", stranger), ("no model", empty)):
        state = world.policy.observe(state, observation)
        if not same_plan(world.policy.plan(state, START_US), before):
            yield f"an observation with {what} changes the plan"


def _extreme(world: TryOut, worst: float) -> State:
    """Return a state after losses that are all the same for one arm and the opposite for others, rarely seen."""
    state = world.policy.init(ARMS)
    rng = np.random.default_rng(5)
    for number in range(_EXTREME_ROUNDS):
        arm = ARMS[number % len(ARMS)]
        loss = worst if arm == ARMS[0] else 1.0 - worst
        outcome = ArmOutcome(arm, 1e-9 if number % 2 else 1.0, True, {"label": 0, "confidence": 1.0})
        state = world.policy.observe(
            state,
            Observation(number, START_US, None, 1, "arms", (outcome,), 0, features=1e3 * rng.standard_normal(FEATURES),
                        losses={arm: loss}),
        )  # fmt: skip
    return state


def extremes_stay_finite(world: TryOut) -> Iterator[str]:
    for worst in (0.0, 1.0):
        state = _extreme(world, worst)
        if not all(math.isfinite(number) for number in numbers_in(state)):
            yield "the state holds a number that is not finite"
            return
        yield from _plan_problems(world, json_copy(state), ARMS, "after losses of 0 and 1 with propensities of 1e-9")


def contexts_start(world: TryOut) -> Iterator[str]:
    population = world.run()
    before = copy.deepcopy(population)
    for arms in (ARMS, OTHER_ARMS):
        state = world.policy.init(arms, population=population)
        if population != before:
            yield "init changes the population's state"
            return
        yield from _plan_problems(world, json_copy(state), arms, "of a new context")
        for observation in world.observations(state, 5):
            state = world.policy.observe(state, observation)
        if population != before:
            yield "a context's state shares something with the population's: copy it"
            return


def summaries_are_complete(world: TryOut) -> Iterator[str]:
    for state in (world.policy.init(ARMS), world.run()):
        before = copy.deepcopy(state)
        rows = world.policy.summary(state)
        if state != before:
            yield "summary changes the state"
        if [row.arm for row in rows] != list(ARMS):
            yield f"summary names {[row.arm for row in rows]}, not the arms in link order"
        for row in rows:
            if not (0.0 <= row.share <= 1.0 + _CLOSE and row.pulls >= 0):
                yield f"summary of {row.arm} has share {row.share!r} and pulls {row.pulls!r}"
            bounds = (row.interval_low, row.mean_reward, row.interval_high)
            given = [bound for bound in bounds if bound is not None]
            if len(given) not in (0, 3) or given != sorted(given) or not all(map(math.isfinite, given)):
                yield f"summary of {row.arm} has no interval around its mean: {bounds}"


def upgrades_are_checked(world: TryOut) -> Iterator[str]:
    state = world.run()
    if world.policy.upgrade(json_copy(state)) != state:
        yield "upgrade changes a state of the present version"
    wrong = {
        "of another policy": {**state, "policy": "another"}, "of a later version": {**state, "version": 10**6},
        "without a version": {key: value for key, value in state.items() if key != "version"}, "that is no object": [],
        "with damaged arms": {**state, "arms": None},
    }  # fmt: skip
    for what, document in wrong.items():
        try:
            world.policy.upgrade(document)
        except StateError:
            continue
        yield f"upgrade takes a state {what}"


def selections_are_exact(world: TryOut) -> Iterator[str]:
    if not world.policy.needs_features:
        return
    for state in (world.policy.init(ARMS), world.run()):
        plan = world.policy.plan(state, START_US)
        if plan.kind != "features":
            yield f"needs_features is true, and its plan is of kind {plan.kind!r}"
            return
        row = np.random.default_rng(2).standard_normal(FEATURES)
        rows = np.tile(row, (_DRAWS, 1))
        arms, propensities = world.policy.select(plan.parameters, rows, np.random.default_rng(3))
        again = world.policy.select(plan.parameters, rows, np.random.default_rng(3))
        if not (np.array_equal(arms, again[0]) and np.array_equal(propensities, again[1])):
            yield "select gives different choices for the same rng: it must draw from nothing else"
        if np.any(rows != row):
            yield "select changes the features it is given"
        yield from _choice_problems(np.asarray(arms), np.asarray(propensities), plan)
        none = world.policy.select(plan.parameters, rows[:0], np.random.default_rng(3))
        if len(none[0]) != 0:
            yield "select of no queries gives choices"


def _choice_problems(arms: Any, propensities: Any, plan: PlanSpec) -> Iterator[str]:
    if arms.shape != (_DRAWS,) or propensities.shape != (_DRAWS,) or not np.issubdtype(arms.dtype, np.integer):
        yield f"select of {_DRAWS} queries gives shapes {arms.shape} and {propensities.shape}, dtype {arms.dtype}"
        return
    if arms.min() < 0 or arms.max() >= len(plan.models):
        yield f"select gives an arm outside 0..{len(plan.models) - 1}"
        return
    if not np.all((propensities > 0) & (propensities <= 1 + _CLOSE)):
        yield "select gives a propensity outside (0, 1]"
        return
    if propensities.min() < plan.floor - _CLOSE:
        yield f"select gives a propensity below the plan's floor {plan.floor}"
    for arm in np.unique(arms):
        told = float(propensities[arms == arm].mean())
        seen = float((arms == arm).mean())
        if abs(seen - told) > 5.0 * math.sqrt(told * (1 - told) / _DRAWS) + 1e-3:
            yield f"select says it chooses arm {arm} with probability {told:.3f}, and chooses it with {seen:.3f}"
