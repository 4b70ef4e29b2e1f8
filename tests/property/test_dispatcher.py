"""What the dispatcher promises, whatever arrives, whoever is slow, stuck or lost: see `simulated_replicas.World`."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper._core.dispatcher import Dispatcher
from clipper._core.slot_pool import SlotPoolHandle
from clipper.errors import InvalidArgumentError
from tests.support.affine_model import AffineModel
from tests.support.simulated_replicas import SLO_US, Duration, Machine, World

FOREST = AffineModel(7_237, 21.4)  # the latency lines of the paper's containers
LINEAR = AffineModel(558, 12.4)
KERNEL = AffineModel(2_283, 4_703)
SECOND_US = 1_000_000


def serves(model: AffineModel, *, stall: Callable[[int], int] = lambda _: 0) -> Duration:
    return lambda size, begin_us: model.duration_us(size) + stall(begin_us)


def poisson(world: World, rate_per_s: float, seconds: float, seed: int = 1, turn_us: int = 200) -> None:
    """Let tasks arrive at random from now on; those of one turn arrive together."""
    draw = random.Random(seed)
    at_us = float(world.now_us)
    end_us = world.now_us + seconds * 1e6
    turns: dict[int, int] = {}
    while (at_us := at_us + draw.expovariate(rate_per_s) * 1e6) < end_us:
        turn = int(at_us) // turn_us * turn_us + turn_us
        turns[turn] = turns.get(turn, 0) + 1
    for turn, count in turns.items():
        world.at(turn, partial(world.push, count))


def warm(world: World, batches: int = 40) -> None:
    """Let every replica be measured, at batches of one and of the most."""
    for _ in range(batches):
        for count in (1, 64):
            world.push(count, slo_us=10 * SECOND_US)
            world.run(world.now_us + 200_000)
    world.run_out()


# -- whatever happens ------------------------------------------------------------------------------------------------

affine = st.builds(
    AffineModel, st.floats(50, 9_000), st.floats(0.1, 2_000), st.sampled_from([0.0, 0.2]), st.integers(0, 9)
)
actions = st.one_of(
    st.tuples(st.just("push"), st.integers(1, 40)),
    st.tuples(st.just("wait"), st.integers(1, 30_000)),
    st.tuples(st.just("lose"), st.integers(0, 5)),
    st.tuples(st.just("add"), st.integers(0, 5)),
    st.tuples(st.just("stall"), st.integers(0, 5)),
)


@given(
    st.lists(affine, min_size=1, max_size=4),
    st.lists(actions, max_size=60),
    st.sampled_from(["fixed", "aimd"]),
    st.sampled_from([0, 100, 5_000]),
    st.sampled_from([0.0, 0.03, 0.5]),
    st.sampled_from([0, 400, 5_000]),
)
@settings(max_examples=100, deadline=None)
def test_dispatcher_in_any_world_ends_each_task_once_and_keeps_its_promises(
    models: list[AffineModel],
    script: list[tuple[str, int]],
    controller: str,
    batch_wait_us: int,
    hedge_ratio: float,
    rpc_us: int,
) -> None:
    world = World(controller=controller, batch_wait_us=batch_wait_us, hedge_ratio=hedge_ratio)
    stalls: dict[str, int] = {}

    def add(model: AffineModel) -> None:
        name = f"m:1:{len(world.machines)}"
        world.add(serves(model, stall=lambda _: stalls.pop(name, 0)), rpc_us=rpc_us)

    for model in models:
        add(model)
    world.push(30, slo_us=SECOND_US)
    world.run(world.now_us + 50_000)
    for what, amount in script:
        alive = [machine for machine in world.machines.values() if not machine.is_lost]
        if what == "push":
            world.push(amount)
        elif what == "lose" and alive:
            world.lose(alive[amount % len(alive)])
        elif what == "add" and len(alive) < 5:
            add(models[amount % len(models)])
        elif what == "stall" and alive:
            stalls[alive[amount % len(alive)].replica.replica_id] = 10 * SLO_US
        world.run(world.now_us + (amount if what == "wait" else 500))
    add(models[0])  # somebody is there to answer, or to drop, what is left
    world.run_out()
    assert all(task.outcome is not None for task in world.tasks)
    assert world.outcomes["hedged"] <= hedge_ratio * world.outcomes["sent"]


# -- shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("controller", ["aimd", "fixed"])
def test_replica_three_times_slower_serves_its_fair_share_under_load(controller: str) -> None:
    world = World(controller=controller, batch_size=64)
    quick = LINEAR.times(4)
    machines = [world.add(serves(model)) for model in (quick, quick.times(3), quick)]
    poisson(world, 6 * 64 / quick.mean_us(64) * 1e6, 1)
    world.run_out()
    fast, slow, other = (machine.replica.items for machine in machines)
    assert slow == pytest.approx((fast + other) / 2 / 3, rel=0.4)
    assert fast == pytest.approx(other, rel=0.15)


def test_replica_three_times_slower_idles_under_light_load_but_is_measured_again() -> None:
    world = World()
    fast, slow = world.add(serves(LINEAR)), world.add(serves(LINEAR.times(3)))
    for i in range(2_000):
        world.at(world.now_us + i * 10_000, world.push)
    world.run_out()
    assert 4 <= slow.replica.batches <= 20
    assert fast.replica.items > 1_950


def test_busy_fast_replica_is_waited_for_rather_than_an_idle_slow_one_used() -> None:
    world = World()
    fast, slow = world.add(serves(AffineModel(1_000, 0))), world.add(serves(AffineModel(9_000, 0)))
    warm(world, 3)
    before = slow.replica.batches
    world.push()
    assert fast.replica.batches_in_flight == 1
    world.run(world.now_us + 200)
    world.push()
    world.run_out()
    assert slow.replica.batches == before


def test_replica_that_was_waited_for_in_vain_is_not_waited_for_any_longer() -> None:
    stuck_us = 0
    world = World(hedge_ratio=0.0)
    fast = world.add(serves(AffineModel(1_000, 0), stall=lambda _: stuck_us))
    slow = world.add(serves(AffineModel(6_000, 0)))
    warm(world, 3)
    stuck_us = 10 * SLO_US
    world.push()
    assert fast.replica.batches_in_flight == 1
    world.run(world.now_us + 200)
    (task,) = world.push()
    world.run_out()
    assert task.is_in_time
    assert slow.replica.batches_in_flight == 0


def test_task_that_only_a_busy_replica_can_meet_is_left_to_it() -> None:
    world = World(batch_size=4, hedge_ratio=0.0)
    world.add(serves(AffineModel(2_000, 0)))
    world.add(serves(AffineModel(9_000, 0)))
    warm(world, 3)
    world.push(4)  # the fast one is busy
    world.run(world.now_us + 100)
    urgent = world.push(4, slo_us=6_000)
    patient = world.push(30, slo_us=100_000)
    world.run_out()
    assert all(task.is_in_time for task in urgent + patient)


# -- admission -------------------------------------------------------------------------------------------------------


def test_admission_when_nothing_is_known_refuses_nobody() -> None:
    world = World(controller="aimd")
    world.add(serves(FOREST))
    assert {task.outcome for task in world.push(500)} == {None}


def test_admission_of_a_task_that_finds_nobody_waiting_is_certain_even_after_a_slow_batch() -> None:
    world = World(controller="aimd")
    world.add(serves(LINEAR, stall=lambda begin_us: 2_000_000 if begin_us < 1_100_000 else 0))
    world.push()
    world.run_out()
    for _ in range(3):
        world.push()
        world.run(world.now_us + 50_000)
    assert world.tasks[-1].is_in_time


@pytest.mark.parametrize("model", [FOREST, KERNEL], ids=["forest", "kernel"])
@pytest.mark.parametrize("controller", ["aimd", "fixed"])
@pytest.mark.parametrize("overload", [2, 4])
def test_overload_costs_no_goodput_and_what_is_admitted_is_in_time(
    model: AffineModel, controller: str, overload: int
) -> None:
    best = min(model.largest_within(SLO_US // 2 - 600, 1024), 1024)
    world = World(controller=controller, batch_size=best)
    noisy = AffineModel(model.base_us, model.per_item_us, noise_ratio=0.03)
    world.add(serves(noisy), rpc_us=200)
    two_batch_rate = best / (model.mean_us(best) + 200) * 1e6
    poisson(world, overload * two_batch_rate, 1.3)
    begin_us = world.now_us + 300_000  # the size has been found
    world.run_out()
    counted = [task for task in world.tasks if begin_us <= task.pushed_us < begin_us + SECOND_US]
    admitted = [task for task in counted if task.outcome in ("answered", "dropped")]
    assert world.goodput(begin_us, begin_us + SECOND_US) >= 0.9 * two_batch_rate
    assert sum(task.is_in_time for task in admitted) >= 0.98 * len(admitted)
    assert world.slots.in_use == 0


def test_load_that_falls_again_is_served_in_full_at_once() -> None:
    world = World(controller="aimd")
    world.add(serves(FOREST))
    rate = 100 / FOREST.mean_us(100) * 1e6
    poisson(world, 4 * rate, 1)
    world.at(world.now_us + SECOND_US, lambda: poisson(world, 0.5 * rate, 1))
    begin_us = world.now_us + SECOND_US + 100_000
    world.run(begin_us + 1_500_000)
    after = [task for task in world.tasks if task.pushed_us >= begin_us]
    assert sum(task.is_in_time for task in after) >= 0.99 * len(after)


# -- deferred dispatch -----------------------------------------------------------------------------------------------


def settle(world: World) -> None:
    """Let the size be known to pay, and more than a few tasks have been there at once."""
    warm(world, 10)
    world.push(40, slo_us=SECOND_US)
    world.run_out()


def test_batch_that_would_gain_waits_for_more_and_no_longer_than_it_may() -> None:
    world = World(batch_size=64, batch_wait_us=2_000, admission=False)
    machine = world.add(serves(FOREST))
    settle(world)
    machine.sizes.clear()
    world.push(3)
    assert machine.sizes == []
    world.run(world.now_us + 1_000)
    world.push(4)
    world.run(world.now_us + 999)
    assert machine.sizes == []
    world.run(world.now_us + 1)
    assert machine.sizes == [7]


def test_batch_that_is_full_waits_for_nobody() -> None:
    world = World(batch_size=8, batch_wait_us=2_000, admission=False)
    machine = world.add(serves(FOREST))
    settle(world)
    machine.sizes.clear()
    world.push(8)
    assert machine.sizes == [8]


def test_batch_of_the_only_client_waits_for_nobody() -> None:
    world = World(batch_size=64, batch_wait_us=5_000)
    machine = world.add(serves(FOREST))
    for _ in range(50):
        world.push()
        assert machine.replica.batches_in_flight == 1
        world.run_out()


def test_batch_of_a_model_that_gains_nothing_waits_for_nobody() -> None:
    world = World(batch_size=64, batch_wait_us=5_000, admission=False)
    machine = world.add(serves(AffineModel(20, 300)))
    settle(world)
    machine.sizes.clear()
    world.push(3)
    assert machine.sizes == [3]


def test_batch_waits_no_longer_than_its_earliest_deadline_allows() -> None:
    world = World(batch_size=64, batch_wait_us=SECOND_US, admission=False)
    machine = world.add(serves(FOREST))
    settle(world)
    machine.sizes.clear()
    task, *others = world.push(1) + world.push(2, slo_us=60_000)
    world.run_out()
    assert machine.sizes == [3]
    assert task.is_in_time and all(other.is_in_time for other in others)
    assert task.ended_us - task.pushed_us > SLO_US - 3_000


# -- sending ahead ---------------------------------------------------------------------------------------------------


def run_loaded(rpc_us: int, **options: float) -> World:
    """Offer more than one batch at a time can do."""
    world = World(batch_size=16, **options)
    world.add(serves(AffineModel(300, 5)), rpc_us=rpc_us)
    poisson(world, 30_000, 0.4)
    world.run_out()
    return world


def test_second_batch_is_sent_ahead_where_the_rpc_is_a_large_share_and_that_pays() -> None:
    with_ahead, without = run_loaded(600), run_loaded(600, ahead_ratio=1.0)
    assert with_ahead.model.figures()["sent_ahead"] > 100
    assert without.model.figures()["sent_ahead"] == 0
    assert with_ahead.outcomes["answered"] > 1.5 * without.outcomes["answered"]


def test_nothing_is_sent_ahead_where_the_rpc_is_a_small_share() -> None:
    assert run_loaded(20).model.figures()["sent_ahead"] == 0


def test_nothing_is_sent_ahead_that_would_split_a_batch() -> None:
    world = World(batch_size=64, slo_us=SECOND_US)
    machine = world.add(serves(AffineModel(300, 5)), rpc_us=2_000)
    warm(world, 5)
    world.push(20, slo_us=SECOND_US)
    world.push(19, slo_us=SECOND_US)
    assert machine.replica.batches_in_flight == 1
    world.push(1, slo_us=SECOND_US)
    assert machine.replica.batches_in_flight == 2
    assert machine.replica.items_in_flight == 40
    world.run_out()


# -- hedging ---------------------------------------------------------------------------------------------------------


class Stall:
    """A stall that happens once, when asked for."""

    def __init__(self) -> None:
        self.next_us = 0

    def __call__(self, _begin_us: int) -> int:
        stall_us, self.next_us = self.next_us, 0
        return stall_us


def hedging_world(ratio: float = 1.0, **options: float) -> tuple[World, Machine, Machine, Stall]:
    world = World(hedge_ratio=ratio, **options)
    stall = Stall()
    first = world.add(serves(AffineModel(1_000, 10), stall=stall))
    second = world.add(serves(AffineModel(1_200, 10)))
    for _ in range(60):
        world.push(16, slo_us=SECOND_US)
        world.run(world.now_us + 5_000)
    world.run_out()
    return world, first, second, stall


def test_stuck_batch_goes_to_another_replica_and_its_first_answer_counts() -> None:
    world, first, second, stall = hedging_world()
    stall.next_us = 10 * SLO_US
    tasks = world.push(4)
    assert first.replica.items_in_flight == 4
    world.run(world.now_us + 8_000)
    assert all(task.is_in_time for task in tasks)
    figures = world.model.figures()
    assert (figures["hedges"], figures["hedged_tasks"], figures["hedge_wins"]) == (1, 4, 1)
    assert first.replica.batches_in_flight == 1  # it still has what nobody waits for
    answered = world.outcomes["answered"]
    world.run(world.now_us + 20 * SLO_US)
    assert first.replica.batches_in_flight == 0
    assert world.outcomes["answered"] == answered


def test_stuck_batch_that_recovers_first_is_answered_by_its_own_replica() -> None:
    world, _, second, stall = hedging_world()
    stall.next_us = 1_500
    tasks = world.push(4)
    world.run(world.now_us + 2_600)
    assert all(task.outcome == "answered" for task in tasks)
    assert second.replica.batches_in_flight == 1
    world.run(world.now_us + 10_000)
    figures = world.model.figures()
    assert (figures["hedges"], figures["hedge_wins"]) == (1, 0)


def test_stuck_batch_without_slack_is_not_sent_again() -> None:
    world, _, _, stall = hedging_world()
    stall.next_us = 10 * SLO_US
    world.push(4, slo_us=2_900)
    world.run_out()
    assert world.model.figures()["hedges"] == 0


def test_hedging_when_switched_off_does_nothing() -> None:
    world, _, _, stall = hedging_world(ratio=0.0)
    stall.next_us = 10 * SLO_US
    world.push(4)
    world.run_out()
    assert world.model.figures()["hedges"] == 0


def test_loss_of_the_stuck_replica_leaves_its_tasks_to_the_twin() -> None:
    world, first, second, stall = hedging_world()
    stall.next_us = 10 * SLO_US
    tasks = world.push(4)
    world.run(world.now_us + 3_000)
    assert second.replica.items_in_flight == 4
    world.lose(first)
    assert len(world.model.queue) == 0
    world.run_out()
    assert all(task.is_in_time for task in tasks)


def test_loss_of_the_twin_leaves_its_tasks_to_the_stuck_replica() -> None:
    world, first, second, stall = hedging_world()
    stall.next_us = 10_000
    tasks = world.push(4)
    world.run(world.now_us + 3_000)
    world.lose(second)
    assert first.replica.items_in_flight == 4
    world.run_out()
    assert all(task.is_in_time for task in tasks)


@pytest.mark.parametrize("failing", ["first", "second"])
def test_failure_of_one_of_two_twins_leaves_the_tasks_to_the_other(failing: str) -> None:
    world, first, second, stall = hedging_world()
    stall.next_us = 10_000
    tasks = world.push(4)
    world.run(world.now_us + 3_000)
    machine = first if failing == "first" else second
    batch_id = max(machine.compute_us)
    world.forget(batch_id)
    assert world.dispatcher.finish_batch(machine.replica, batch_id, 0, world.now_us, has_failed=True) == []
    world.run_out()
    assert all(task.is_in_time for task in tasks)


def test_stall_of_one_of_three_replicas_defaults_nothing_where_hedging_may() -> None:
    model = AffineModel(2_000, 50)
    world = World(controller="aimd")
    stall = Stall()
    for number in range(3):
        world.add(serves(model, stall=stall if number == 0 else lambda _: 0))
    poisson(world, 2_000, 6)
    for second in range(2, 7):
        world.at(second * SECOND_US, lambda: setattr(stall, "next_us", 10 * SLO_US))
    world.run_out()
    missed = [task for task in world.tasks if not task.is_in_time]
    assert world.model.figures()["hedges"] >= 3
    assert len(missed) <= 0.002 * len(world.tasks)


# -- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"hedge_ratio": -0.1}, {"hedge_ratio": 1.1}, {"ahead_ratio": float("nan")}])
def test_option_outside_its_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match="between 0 and 1"):
        Dispatcher(SlotPoolHandle(16, 4096), World(), **options)  # type: ignore[arg-type]
