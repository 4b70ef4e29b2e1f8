"""`reconcile`: converges from any state in a few rounds, rests when it has, and never does too much on the way."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.deploy.reconcile import ReplicaState, ReplicaView, Restraint, Start, reconcile
from clipper.types import ModelId
from tests.support.fleet_world import GRACE_US, NOW_US, READY_LIMIT_US, World

MODELS = [ModelId("svm", "1"), ModelId("svm", "2"), ModelId("tree", "1")]
UNKNOWN = ModelId("nobody", "9")  # runs, and no registry has heard of it
# A round of stops, one until suspects have had their grace, one of starts, one until they are replaced and gone, one
# until what was replaced too late is gone.
ROUNDS = 5

desired_states = st.dictionaries(st.sampled_from(MODELS), st.integers(1, 4))
# Duplicates have several indexes; late ones are on their way since before the limit.
replica_sets = st.dictionaries(
    st.tuples(st.sampled_from([*MODELS, UNKNOWN]), st.integers(0, 6)),
    st.tuples(st.sampled_from(ReplicaState), st.integers(NOW_US - 2 * READY_LIMIT_US, NOW_US)),
    max_size=12,
).map(lambda found: [ReplicaView(model, index, state, since_us) for (model, index), (state, since_us) in found.items()])
restraint_sets = st.dictionaries(
    st.sampled_from(MODELS), st.builds(Restraint, st.integers(0, 2 * NOW_US), st.booleans()), max_size=3
)


@settings(max_examples=200, deadline=None)
@given(desired_states, replica_sets)
def test_reconcile_converges_from_any_state_in_a_few_rounds_and_then_rests(
    desired: dict[ModelId, int], replicas: list[ReplicaView]
) -> None:
    world = World.of(desired, replicas)
    for _ in range(ROUNDS):
        world.carry_out(world.decide())
        world.pass_time()
    assert world.counts() == desired
    rest = world.decide()
    assert (rest.actions, rest.wake_us) == ((), None)


@settings(max_examples=100, deadline=None)
@given(desired_states, replica_sets, restraint_sets, st.integers(0, 2**32), st.integers(1, 12))
def test_reconcile_keeps_its_promises_whatever_happens_and_converges_when_it_stops(
    desired: dict[ModelId, int],
    replicas: list[ReplicaView],
    restraints: dict[ModelId, Restraint],
    seed: int,
    turns: int,
) -> None:
    chance = random.Random(seed)
    world = World.of(desired, replicas)
    world.restraints = restraints
    for _ in range(turns):
        world.carry_out(world.decide())
        world.disturb(chance)
    world.frontend_since_us = world.now_us
    world.restraints = {}
    for _ in range(ROUNDS):
        world.carry_out(world.decide())
        world.pass_time()
    assert world.counts() == desired


@settings(max_examples=150, deadline=None)
@given(desired_states, replica_sets, st.booleans())
def test_reconcile_decided_twice_does_nothing_the_second_time(
    desired: dict[ModelId, int], replicas: list[ReplicaView], has_frontend: bool
) -> None:
    """Carrying out a decision leaves nothing to decide until something else changes."""
    world = World.of(desired, replicas)
    world.frontend_since_us = 0 if has_frontend else None
    world.carry_out(world.decide())
    assert world.decide().actions == ()


@settings(max_examples=100, deadline=None)
@given(desired_states, st.integers(0, 4), st.integers(0, 2**32))
def test_reconcile_that_has_what_is_desired_never_stops_a_ready_replica(
    desired: dict[ModelId, int], deaths: int, seed: int
) -> None:
    chance = random.Random(seed)
    ready = [ReplicaView(model, index, ReplicaState.READY, 0) for model in desired for index in range(desired[model])]
    world = World.of(desired, ready)
    for key in chance.sample(sorted(world.replicas), min(deaths, len(world.replicas))):
        del world.replicas[key]
    for _ in range(ROUNDS):
        world.carry_out(world.decide())
        world.pass_time()
    assert world.stopped_ready == 0
    assert sum(world.starts.values()) == min(deaths, len(ready))
    assert world.counts() == desired


@settings(max_examples=100, deadline=None)
@given(desired_states, replica_sets, st.integers(0, 2 * NOW_US), st.booleans())
def test_restrained_models_are_not_started_and_looked_at_again_in_time(
    desired: dict[ModelId, int], replicas: list[ReplicaView], not_before_us: int, is_quarantined: bool
) -> None:
    restraints = {model_id: Restraint(not_before_us, is_quarantined) for model_id in MODELS}
    limits = (NOW_US, READY_LIMIT_US, GRACE_US, None)
    decision = reconcile(desired, replicas, restraints, *limits)
    starts = [action for action in decision.actions if isinstance(action, Start)]
    free = reconcile(desired, replicas, {}, *limits)
    if is_quarantined or not_before_us > NOW_US:
        assert not starts
        if not is_quarantined and any(isinstance(action, Start) for action in free.actions):
            assert decision.wake_us == not_before_us
    else:
        assert decision == free
