"""The compiled queue against its obvious twin, over generated histories of pushes, pops, losses and answers."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from clipper._core.batch_queue import BatchQueue
from clipper._core.slot_pool import SlotPoolHandle
from tests.support.batch_queue_twin import BatchQueueTwin, Task

SLOTS, ARENA_BYTES, RING_CAPACITY = 12, 1 << 12, 4
times_us = st.integers(0, 40)


class BatchQueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pool = SlotPoolHandle(SLOTS, ARENA_BYTES)
        self.queue = BatchQueue([self.pool], ring_capacity=RING_CAPACITY)
        self.twin = BatchQueueTwin(RING_CAPACITY)
        self.queued: dict[int, Task] = {}
        self.taken: dict[int, Task] = {}
        self.done: dict[int, int] = {}
        self.payloads: dict[int, bytes] = {}

    @rule(
        payload=st.binary(max_size=700),
        slo_us=st.one_of(st.integers(0, 70_000), st.integers(0, 2**64 - 1)),
        deadline_us=times_us,
        more_us=times_us,
    )
    def push(self, payload: bytes, slo_us: int, deadline_us: int, more_us: int) -> None:
        slot = self.pool.acquire(payload)
        if slot < 0:
            assert len(self.payloads) == SLOTS or self.pool.arena_used_bytes + len(payload) > ARENA_BYTES // 4
            return
        assert slot not in self.payloads
        task = Task(slot, deadline_us, deadline_us + more_us)
        self.pool.set_deadlines(slot, task.deadline_us, task.drop_deadline_us)
        expected = self.twin.push(task, slo_us)
        assert self.queue.push_slot(slot, slo_us) == expected
        if expected:
            self.queued[slot] = task
            self.payloads[slot] = payload
        else:
            assert self.pool.release(slot)

    @rule(size=st.integers(0, 8), now_us=times_us, base_us=times_us, per_item_us=st.floats(0, 10))
    def pop(self, size: int, now_us: int, base_us: int, per_item_us: float) -> None:
        batch, dropped = self.queue.pop(size, now_us, base_us=base_us, per_item_us=per_item_us)
        twin_batch, twin_dropped = self.twin.pop(size, now_us, base_us, per_item_us)
        assert batch == [task.slot for task in twin_batch]
        assert dropped == [task.slot for task in twin_dropped]
        for slot in batch + dropped:
            self.taken[slot] = self.queued.pop(slot)
            assert self.pool.payload(slot) == self.payloads[slot]

    @precondition(lambda self: self.queued)
    @rule(data=st.data(), later_us=times_us)
    def join(self, data: st.DataObject, later_us: int) -> None:
        task = self.queued[data.draw(st.sampled_from(sorted(self.queued)))]
        task.drop_deadline_us += later_us
        self.pool.set_deadlines(task.slot, task.deadline_us, task.drop_deadline_us)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def lose_batch_and_requeue(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.taken)))
        expected = self.twin.requeue(self.taken[slot])
        assert self.queue.requeue_slot(slot) == expected
        if expected:
            self.queued[slot] = self.taken.pop(slot)

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), result=st.integers(0, 2**64 - 1))
    def complete(self, data: st.DataObject, result: int) -> None:
        slot = data.draw(st.sampled_from(sorted(self.taken)))
        assert self.queue.complete_slot(slot, result)
        assert not self.queue.complete_slot(slot, result)
        assert not self.queue.requeue_slot(slot)
        del self.taken[slot]
        self.done[slot] = result

    @rule()
    def drain(self) -> None:
        assert sorted(self.pool.drain()) == sorted(self.done)
        for slot, result in self.done.items():
            assert self.pool.result(slot) == result
            assert self.pool.release(slot)
            assert not self.pool.release(slot)
            del self.payloads[slot]
        self.done.clear()

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def release_own_claim(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.taken)))
        assert self.pool.release(slot)
        del self.taken[slot], self.payloads[slot]

    @invariant()
    def queued_slots_cannot_be_released(self) -> None:
        assert not any(self.pool.release(slot) for slot in self.queued)

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.queue) == len(self.twin) == len(self.queued)
        assert self.pool.in_use == len(self.payloads)

    def teardown(self) -> None:
        for slot in self.queued | self.taken:
            self.queue.pop(SLOTS)
            assert self.pool.release(slot)
        self.pool.drain()
        for slot in self.done:
            assert self.pool.release(slot)
        assert self.pool.in_use == 0
        assert self.pool.arena_used_bytes == 0


BatchQueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestBatchQueueAgainstItsTwin = BatchQueueMachine.TestCase
