"""Tasks that are taken out of the queue because nobody waits for them any more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clipper._core.batch_queue import BatchQueue
from clipper._core.slot_pool import SlotPoolHandle

SLO_US = 20_000


def queued(pool: SlotPoolHandle, queue: BatchQueue, deadline_us: int) -> int:
    slot = pool.acquire(b"input")
    pool.set_deadlines(slot, deadline_us, deadline_us)
    assert queue.push_slot(slot, SLO_US)
    return slot


def test_withdrawn_task_is_never_popped_and_its_slot_serves_again() -> None:
    pool = SlotPoolHandle(2, 1 << 16)
    queue = BatchQueue([pool])
    first, second = queued(pool, queue, 10), queued(pool, queue, 20)
    assert queue.withdraw_slot(first)
    assert pool.release(first)
    third = queued(pool, queue, 30)
    assert third == first
    assert list(queue.pop(10)[0]) == [second, third]


def test_withdrawal_of_what_is_not_queued_changes_nothing() -> None:
    pool = SlotPoolHandle(4, 1 << 16)
    queue = BatchQueue([pool])
    fresh = pool.acquire(b"input")
    assert not queue.withdraw_slot(fresh)
    taken = queued(pool, queue, 10)
    queue.pop(1)
    assert not queue.withdraw_slot(taken)
    assert queue.requeue_slot(taken)
    assert queue.withdraw_slot(taken)
    assert not queue.withdraw_slot(taken)


@given(st.lists(st.tuples(st.integers(1, 1000), st.booleans()), max_size=40))
def test_queue_holds_exactly_what_was_not_withdrawn(tasks: list[tuple[int, bool]]) -> None:
    pool = SlotPoolHandle(64, 1 << 16)
    queue = BatchQueue([pool])
    pushed = [(queued(pool, queue, deadline_us), withdrawn) for deadline_us, withdrawn in tasks]
    for slot, withdrawn in pushed:
        if withdrawn:
            assert queue.withdraw_slot(slot)
            assert pool.release(slot)
    kept = sorted(slot for slot, withdrawn in pushed if not withdrawn)
    assert sorted(queue.pop(100)[0]) == kept
    assert len(queue) == 0
    for slot in kept:
        assert pool.release(slot)
    assert pool.in_use == 0


def test_withdrawn_tasks_do_not_fill_the_ring() -> None:
    pool = SlotPoolHandle(2, 1 << 16)
    queue = BatchQueue([pool])
    for _ in range(100):
        slot = queued(pool, queue, 10)
        assert queue.withdraw_slot(slot)
        assert pool.release(slot)
        assert len(queue) == 0
