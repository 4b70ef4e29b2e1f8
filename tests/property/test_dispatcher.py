"""What the dispatcher promises, whatever arrives, whoever is slow, stuck or lost: see `simulated_replicas.World`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper._core.dispatcher import Dispatcher
from clipper._core.slot_pool import SlotPoolHandle
from clipper.errors import InvalidArgumentError
from tests.support.affine_model import AffineModel
from tests.support.simulated_replicas import SECOND_US, SLO_US, World, poisson, serves, warm

FOREST = AffineModel(7_237, 21.4)  # the latency lines of the paper's containers
LINEAR = AffineModel(558, 12.4)
KERNEL = AffineModel(2_283, 4_703)


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


@pytest.mark.parametrize(("controller", "share"), [("fixed", (0.25, 0.37)), ("aimd", (0.12, 0.35))])
def test_replica_three_times_slower_serves_its_fair_share_under_load(
    controller: str, share: tuple[float, float]
) -> None:
    # Of equal sizes that is a third; a controller gives it smaller ones, which cost more per item.
    world = World(controller=controller, batch_size=64)
    quick = LINEAR.times(4)
    machines = [world.add(serves(model)) for model in (quick, quick.times(3), quick)]
    poisson(world, 6 * 64 / quick.mean_us(64) * 1e6, 1)
    world.run_out()
    fast, slow, other = (machine.replica.items for machine in machines)
    assert share[0] < slow / ((fast + other) / 2) < share[1]
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


def test_admission_while_the_controller_has_only_begun_refuses_no_burst_that_larger_batches_can_answer() -> None:
    world = World(controller="aimd")
    world.add(serves(AffineModel(300, 2)))
    world.push()
    world.run_out()
    tasks = world.push(128)  # one by one they would take twice the objective
    world.run_out()
    assert all(task.is_in_time for task in tasks)


def test_admission_of_a_task_that_finds_nobody_waiting_is_certain_even_after_a_slow_batch() -> None:
    world = World(controller="aimd")
    world.add(serves(LINEAR, stall=lambda begin_us: 2_000_000 if begin_us < 1_100_000 else 0))
    world.push()
    world.run_out()
    for _ in range(3):
        world.push()
        world.run(world.now_us + 50_000)
    assert world.tasks[-1].is_in_time


# The kernel's batches hold one or two: one task that is let in wrongly is much of a batch.
@pytest.mark.parametrize(("model", "in_time"), [(FOREST, 0.98), (KERNEL, 0.9)], ids=["forest", "kernel"])
@pytest.mark.parametrize("controller", ["aimd", "fixed"])
@pytest.mark.parametrize("overload", [2, 4])
def test_overload_costs_no_goodput_and_what_is_admitted_is_in_time(
    model: AffineModel, in_time: float, controller: str, overload: int
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
    assert sum(task.is_in_time for task in admitted) >= in_time * len(admitted)
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


# -- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"hedge_ratio": -0.1}, {"hedge_ratio": 1.1}, {"ahead_ratio": float("nan")}])
def test_option_outside_its_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match="between 0 and 1"):
        Dispatcher(SlotPoolHandle(16, 4096), World(), **options)  # type: ignore[arg-type]
