"""A world for the dispatcher: replicas that take a batch's time under a manual clock, and a look at every invariant.

Whatever the dispatcher decides is checked when it decides it: `World` fails at the first batch, drop or answer that
breaks a promise, with the time at which it did.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from clipper._core.batch_queue import BatchQueue
from clipper._core.dispatcher import BatchSink, Dispatcher
from clipper._core.model_runtime import ModelRuntime
from clipper._core.replica import Replica
from clipper._core.slot_pool import SlotPoolHandle
from tests.support.affine_model import AffineModel

SLO_US = 20_000
SECOND_US = 1_000_000

Duration = Callable[[int, int], int]
"""From (batch size, time) to what a batch takes."""


@dataclass
class Task:
    """What became of one task; ``outcome`` is None while it waits or is in flight."""

    number: int
    pushed_us: int
    deadline_us: int
    outcome: str | None = None
    ended_us: int = 0

    @property
    def is_in_time(self) -> bool:
        return self.outcome == "answered" and self.ended_us <= self.deadline_us


@dataclass
class Machine:
    """A container: serves its batches one after the other.

    Parameters
    ----------
    rpc_us : int
        What a batch takes beside the model, half of it before and half of it after; these overlap with other batches.
    """

    replica: Replica
    duration: Duration
    rpc_us: int = 0
    free_us: int = 0
    is_lost: bool = False
    sizes: list[int] = field(default_factory=list)
    compute_us: dict[int, int] = field(default_factory=dict)


class World(BatchSink):
    """One model, its replicas, and a clock.

    Parameters
    ----------
    controller, batch_size, options
        Of the model, and of the dispatcher.
    """

    def __init__(self, *, controller: str = "fixed", batch_size: int = 8, slo_us: int = SLO_US, **options: Any) -> None:
        self.slots = SlotPoolHandle(16_384, 1 << 20)
        self.model = ModelRuntime("m", "1", 1, BatchQueue([self.slots]), input_type="doubles")
        self.model.configure(controller=controller, batch_size=batch_size, max_batch_size=0, slo_us=slo_us)
        self.dispatcher = Dispatcher(self.slots, self, **options)
        self.slo_us = slo_us
        self.now_us = 1_000_000
        self.machines: dict[str, Machine] = {}
        self.tasks: list[Task] = []
        self.by_slot: dict[int, Task] = {}
        self.holders: Counter[int] = Counter()  # how many batches a slot is in
        self.outcomes: Counter[str] = Counter()
        self._batches: dict[int, tuple[Machine, list[int]]] = {}
        self._events: list[tuple[int, int, Callable[[], object]]] = []
        self._wake_us = 0  # the latest wish of the dispatcher
        self._order = 0

    # -- the world ---------------------------------------------------------------------------------------------------

    def add(self, duration: Duration, *, rpc_us: int = 0) -> Machine:
        """Add a ready replica."""
        name = f"m:1:{len(self.machines)}"
        machine = Machine(self.dispatcher.add_replica(self.model, name, self.now_us), duration, rpc_us)
        self.machines[name] = machine
        self.dispatcher.dispatch_at(self.model, self.now_us)
        return machine

    def lose(self, machine: Machine) -> None:
        """Lose a replica: its batches are queued again, or end."""
        machine.is_lost = True
        for batch_id in [number for number, (whose, _) in self._batches.items() if whose is machine]:
            self.holders.subtract(self._batches.pop(batch_id)[1])
        for slot in self.dispatcher.remove_replica(machine.replica, self.now_us):
            self._end(slot, "lost")
        self.dispatcher.dispatch_at(self.model, self.now_us)

    def forget(self, batch_id: int) -> None:
        """Whoever has this batch will not answer it: the test does."""
        self.holders.subtract(self._batches.pop(batch_id)[1])

    def push(self, count: int = 1, *, slo_us: int | None = None) -> list[Task]:
        """Let tasks arrive in one turn."""
        arrived = []
        for _ in range(count):
            limit_us = self.slo_us if slo_us is None else slo_us
            task = Task(len(self.tasks), self.now_us, self.now_us + limit_us)
            self.tasks.append(task)
            arrived.append(task)
            slot = self.slots.acquire(b"")
            outcome = "full"
            if slot >= 0:
                self.slots.set_deadlines(slot, task.deadline_us, task.deadline_us)
                outcome = self.dispatcher.push_task(self.model, slot, limit_us, self.now_us)
            if outcome == "queued":
                self.by_slot[slot] = task
                continue
            if slot >= 0:
                self.slots.release(slot)
            task.outcome, task.ended_us = outcome, self.now_us
            self.outcomes[outcome] += 1
        self.dispatcher.dispatch_at(self.model, self.now_us)
        return arrived

    def at(self, at_us: int, what: Callable[[], object]) -> None:
        """Do something at a time."""
        self._order += 1
        heapq.heappush(self._events, (max(at_us, self.now_us), self._order, what))

    def run(self, until_us: int) -> None:
        """Let the time pass."""
        while self._events and self._events[0][0] <= until_us:
            self.now_us, _, what = heapq.heappop(self._events)
            what()
            self.check_nobody_idles()
        self.now_us = max(self.now_us, until_us)

    def run_out(self, limit_us: int = 60_000_000) -> None:
        """Let everything happen that will; every task must have ended then."""
        give_up_us = self.now_us + limit_us
        while self._events and self._events[0][0] <= give_up_us:
            self.run(self._events[0][0])
        assert not self.by_slot, f"{len(self.by_slot)} tasks never ended"
        assert self.slots.in_use == 0

    # -- what the dispatcher tells -----------------------------------------------------------------------------------

    def on_send(self, replica: Replica, batch_id: int, slots: list[int], now_us: int) -> None:
        machine = self.machines[replica.replica_id]
        assert now_us == self.now_us
        assert not machine.is_lost, "a batch for a replica that is gone"
        assert 0 < len(slots) <= replica.controller.next_size(now_us), "larger than the controller allows"
        assert replica.batches_in_flight <= 2
        assert len(set(slots)) == len(slots)
        for slot in slots:
            assert self.by_slot[slot].outcome is None, "a task that has ended is sent"
            self.holders[slot] += 1
            assert self.holders[slot] <= 2, "a task in three batches"
        if any(self.holders[slot] == 2 for slot in slots):
            assert all(self.holders[slot] == 2 for slot in slots), "new tasks among those of a twin"
            self.outcomes["hedged"] += len(slots)
        else:
            self.outcomes["sent"] += len(slots)
        self._batches[batch_id] = (machine, list(slots))
        begin_us = max(now_us + machine.rpc_us // 2, machine.free_us)
        compute_us = max(machine.duration(len(slots), begin_us), 1)
        machine.free_us = begin_us + compute_us
        machine.sizes.append(len(slots))
        machine.compute_us[batch_id] = compute_us
        self.at(machine.free_us + machine.rpc_us - machine.rpc_us // 2, lambda: self._answer(machine, batch_id))

    def on_drop(self, slot: int, now_us: int) -> None:
        self._end(slot, "dropped")

    def on_wake_at(self, model: ModelRuntime, at_us: int) -> None:
        assert at_us > self.now_us, "a wish to be woken now"
        self._wake_us = max(self._wake_us, at_us)
        self.at(at_us, lambda: self.dispatcher.dispatch_at(model, self.now_us))

    # -- what comes of it --------------------------------------------------------------------------------------------

    def _answer(self, machine: Machine, batch_id: int) -> None:
        if batch_id not in self._batches:
            stale = self.dispatcher.finish_batch(machine.replica, batch_id, 0, self.now_us)
            assert stale == [], "a stale answer was taken"
            return
        _, held = self._batches.pop(batch_id)
        self.holders.subtract(slot for slot in held if self.by_slot.get(slot) is not None)
        ended = self.dispatcher.finish_batch(machine.replica, batch_id, machine.compute_us[batch_id], self.now_us)
        assert set(ended) <= set(held)
        for slot in ended:
            self._end(slot, "answered")

    def _end(self, slot: int, outcome: str) -> None:
        task = self.by_slot.pop(slot)
        assert task.outcome is None, f"{task} ends twice"
        task.outcome, task.ended_us = outcome, self.now_us
        self.outcomes[outcome] += 1
        for number, (whose, held) in list(self._batches.items()):  # a twin no longer holds it
            if slot in held:
                self._batches[number] = (whose, [other for other in held if other != slot])
        del self.holders[slot]
        assert self.slots.release(slot), "a slot that was not ours"

    def check_nobody_idles(self) -> None:
        """Nobody idles while tasks wait, unless that was decided: then the dispatcher has asked to look at it again."""
        idle = [m for m in self.machines.values() if not m.is_lost and not m.replica.batches_in_flight]
        if idle and len(self.model.queue):
            assert self._wake_us > self.now_us, "tasks wait, a replica is idle, and nobody will look at it again"

    # -- results -----------------------------------------------------------------------------------------------------

    def goodput(self, begin_us: int, end_us: int) -> float:
        """Tasks per second that arrived in the interval and were answered in time."""
        good = sum(task.is_in_time for task in self.tasks if begin_us <= task.pushed_us < end_us)
        return good / (end_us - begin_us) * 1e6


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
