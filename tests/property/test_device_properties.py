"""Devices: never given twice, packed tightly, given to whoever should have them, and to nobody left waiting in vain."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.deploy.devices import Demand, Grant, free_shares, most_replicas, place
from clipper.deploy.reconcile import ReplicaState, Restraint, Start
from clipper.deploy.resources import gpus_of, with_gpus
from clipper.types import ModelId
from tests.support.fleet_world import World

MODELS = [ModelId("svm", "1"), ModelId("svm", "2"), ModelId("tree", "1")]
DEVICES = ("GPU-a", "GPU-b", "GPU-c", "GPU-d")
shares = st.integers(1, 99).map(lambda percent: Fraction(percent, 100))
amounts = shares | st.integers(1, 3).map(Fraction)
counts = st.integers(0, len(DEVICES))
demand_sets = st.fixed_dictionaries({model: st.builds(Demand, amounts, st.booleans()) for model in MODELS})
wanted_sets = st.dictionaries(st.sampled_from(MODELS), st.integers(1, 3), min_size=1)
# Rounds in which a suspect has its grace, gives way, is gone, and others take its place, one after another.
ROUNDS = 12


def used(grants: list[Grant]) -> Counter[str]:
    return Counter({device: sum(g.share for g in grants if device in g.device_ids) for device in DEVICES})


@settings(max_examples=100, deadline=None)
@given(counts, st.lists(st.tuples(amounts, st.booleans()), max_size=30), st.integers(0, 2**32))
def test_device_is_never_given_twice_and_is_refused_only_if_there_is_no_room(
    count: int, steps: list[tuple[Fraction, bool]], seed: int
) -> None:
    devices, chance, held = DEVICES[:count], random.Random(seed), list[Grant]()
    for gpus, releases in steps:
        if releases and held:
            held.pop(chance.randrange(len(held)))
        free = free_shares(devices, held)
        grant = place(devices, held, gpus)
        assert place(devices, held, gpus) == grant, "the same again gives the same"
        if grant is None:
            fitting = [device for device in devices if free[device] >= (gpus if gpus < 1 else 1)]
            assert len(fitting) < (gpus if gpus > 1 else 1)
            continue
        assert set(grant.device_ids) <= set(devices)
        assert len(set(grant.device_ids)) == (gpus if gpus > 1 else 1) and grant.share == (gpus if gpus < 1 else 1)
        if gpus < 1:
            (chosen,) = grant.device_ids
            tighter = [device for device in devices if gpus <= free[device] < free[chosen]]
            assert not tighter, "a fuller device had room"
        held.append(grant)
        assert all(share <= 1 for share in used(held).values())
        assert Grant.parse(str(grant)) == grant


@given(amounts, counts)
def test_most_replicas_is_what_filling_empty_devices_gives(gpus: Fraction, count: int) -> None:
    held: list[Grant] = []
    while (grant := place(DEVICES[:count], held, gpus)) is not None:
        held.append(grant)
    assert len(held) == most_replicas(count, gpus)


@given(st.integers(1, 256) | st.floats(0.01, 0.99))
def test_amount_is_kept_as_it_was_given_up_to_the_fourth_decimal(gpus: float) -> None:
    kept = with_gpus({"cpu": 1}, gpus)
    found = gpus_of(kept)
    assert 0 <= Fraction(str(gpus)) - found < Fraction(1, 10_000)
    assert kept == with_gpus({"cpu": 1}, float(found)), "written again it is the same"


@given(st.lists(st.sampled_from(["GPU-a", "@", "1", "0.5", "0.00", "1/0", "1e9", ","]), max_size=6).map("".join))
def test_text_that_is_no_grant_is_none(text: str) -> None:
    grant = Grant.parse(text)
    assert grant is None or Grant.parse(str(grant)) is not None


@settings(max_examples=60, deadline=None)
@given(wanted_sets, demand_sets, counts, st.integers(0, 2**32), st.integers(0, 15))
def test_replicas_that_come_and_go_share_the_devices_and_none_waits_for_what_is_free(
    desired: dict[ModelId, int], demands: dict[ModelId, Demand], count: int, seed: int, turns: int
) -> None:
    chance = random.Random(seed)
    world = World.of(desired, [])
    world.demands, world.device_ids = demands, DEVICES[:count]
    for _ in range(turns):
        world.room()
        given_before = dict(world.grants)
        world.carry_out(world.decide())
        assert all(share <= 1 for share in used(world.room().held).values())
        assert all(world.grants[key] == grant for key, grant in given_before.items() if key in world.replicas)
        if chance.random() < 0.3:
            world.restraints = {chance.choice(MODELS): Restraint(world.now_us + chance.randrange(2_000))}
        world.disturb(chance)
    world.frontend_since_us, world.restraints = world.now_us, {}
    for _ in range(ROUNDS):
        world.carry_out(world.decide())
        world.pass_time()
    rest = world.decide()
    assert (rest.actions, rest.wake_us) == ((), None)
    ready = world.counts()  # and no suspect keeps a device for ever
    room = world.room()
    for model_id, wanted in desired.items():
        assert ready.get(model_id, 0) + rest.waiting.get(model_id, 0) == wanted
        if model_id in rest.waiting:
            assert place(room.device_ids, room.held, demands[model_id].gpus) is None


@given(st.booleans(), st.booleans())
def test_free_device_is_kept_for_a_deployed_replica_that_is_started_again(
    is_held_back: bool, is_deployed: bool
) -> None:
    """What is being deployed comes first by its name, and gets the device only if nothing deployed wants it."""
    new, old = MODELS[0], MODELS[2]
    world = World.of({new: 1, old: 1}, [])
    world.demands = {new: Demand(Fraction(1), is_deployed=False), old: Demand(Fraction(1), is_deployed)}
    world.device_ids = DEVICES[:1]
    world.restraints = {old: Restraint(world.now_us + 5 if is_held_back else 0)}
    decision = world.decide()
    first = old if is_deployed else new
    expected = () if is_held_back and is_deployed else (Start(first, 0, Grant(DEVICES[:1])),)
    assert decision.actions == expected
    assert decision.waiting == {(new if is_deployed else old): 1}


def test_suspect_gives_its_device_up_only_when_it_was_kept_as_long_as_it_should_be() -> None:
    model = MODELS[0]
    world = World.of({model: 1}, [])
    world.demands, world.device_ids = {model: Demand(Fraction(1))}, DEVICES[:1]
    world.carry_out(world.decide())
    world.pass_time()
    world.carry_out(world.decide())
    (key,) = world.replicas
    one = world.replicas[key]
    world.replicas[key] = type(one)(*key, ReplicaState.SUSPECT, world.now_us)
    for later_us, stops in ((0, 0), (5, 0), (7, 0), (8, 1)):
        world.now_us = world.replicas[key].since_us + later_us
        decision = world.decide()
        assert len(decision.actions) == stops, later_us
        assert stops or decision.wake_us is not None
