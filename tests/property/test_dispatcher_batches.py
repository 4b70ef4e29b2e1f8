"""How the dispatcher waits, sends ahead and sends twice: see `simulated_replicas.World`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.affine_model import AffineModel
from tests.support.simulated_replicas import SECOND_US, SLO_US, Machine, World, poisson, serves, warm

FOREST = AffineModel(7_237, 21.4)


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


def run_loaded(rpc_us: int, **options: Any) -> World:
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


def hedging_world(ratio: float = 1.0, **options: Any) -> tuple[World, Machine, Machine, Stall]:
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
    world, first, _, stall = hedging_world()
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
