"""The Python faces of slot pool and batch queue at the edge of each limit."""

from __future__ import annotations

from mmap import PROT_READ, mmap

import pytest

from clipper._core.batch_queue import BatchQueue
from clipper._core.slot_pool import SlotPoolHandle
from clipper.errors import InvalidArgumentError


def queue_of(slot_count: int = 4, arena_bytes: int = 4096, ring_capacity: int = 0) -> tuple[SlotPoolHandle, BatchQueue]:
    pool = SlotPoolHandle(slot_count, arena_bytes)
    return pool, BatchQueue([pool], ring_capacity=ring_capacity)


def test_push_into_a_full_ring_says_no_and_leaves_the_slot_to_the_caller() -> None:
    pool, queue = queue_of(ring_capacity=2)
    slots = [pool.acquire(b"x") for _ in range(3)]
    assert [queue.push_slot(slot, 20_000) for slot in slots] == [True, True, False]
    assert pool.release(slots[2])
    queue.pop(1)
    assert queue.push_slot(pool.acquire(b"y"), 20_000)


def test_acquire_with_all_slots_in_use_says_no_until_one_is_released() -> None:
    pool, _ = queue_of(slot_count=2)
    slots = [pool.acquire(b""), pool.acquire(b"")]
    assert pool.acquire(b"") == -1
    assert pool.release(slots[0])
    assert pool.acquire(b"") == slots[0]


def test_acquire_with_the_arena_exhausted_says_no_and_keeps_its_slot_free() -> None:
    pool, _ = queue_of()
    whole = pool.acquire(bytes(4096))
    assert pool.acquire(b"x") == -1
    assert pool.in_use == 1
    assert pool.release(whole)
    assert pool.acquire(bytes(4096)) == whole


def test_acquire_of_more_than_the_arena_says_no() -> None:
    pool, _ = queue_of()
    assert pool.acquire(bytes(4097)) == -1
    assert (pool.in_use, pool.arena_used_bytes) == (0, 0)


def test_requeue_into_a_full_ring_says_no_and_leaves_the_slot_with_the_claimer() -> None:
    pool, queue = queue_of(ring_capacity=2)
    slots = [pool.acquire(b"x") for _ in range(3)]
    for slot, slo_us in zip(slots, [1_000, 2_000, 4_000], strict=True):
        queue.push_slot(slot, slo_us)
    queue.pop(3)
    assert [queue.requeue_slot(slot) for slot in slots] == [True, True, False]
    assert queue.complete_slot(slots[2], 7)
    assert pool.drain() == [slots[2]]


def test_default_ring_holds_every_slot_of_the_pool() -> None:
    pool, queue = queue_of(slot_count=5)
    assert all(queue.push_slot(pool.acquire(b"x"), 20_000) for _ in range(5))


def test_pop_of_nothing_and_of_size_zero_returns_nothing() -> None:
    pool, queue = queue_of()
    assert queue.pop(8) == ([], [])
    queue.push_slot(pool.acquire(b"x"), 1)
    assert queue.pop(0) == ([], [])
    assert len(queue) == 1


@pytest.mark.parametrize("slot_count", [0, (1 << 18) + 1])
def test_pool_with_an_impossible_number_of_slots_is_refused(slot_count: int) -> None:
    with pytest.raises(InvalidArgumentError, match="slot_count"):
        SlotPoolHandle(slot_count, 4096)


def test_memory_that_is_too_small_or_read_only_or_unaligned_is_refused() -> None:
    needed = SlotPoolHandle.bytes_needed(4, 4096)
    with pytest.raises(InvalidArgumentError, match="writable bytes"):
        SlotPoolHandle(4, 4096, memory=mmap(-1, needed - 1))
    with pytest.raises(InvalidArgumentError, match="read-only"):
        SlotPoolHandle(4, 4096, memory=mmap(-1, needed, prot=PROT_READ))
    with pytest.raises(InvalidArgumentError, match="page"):
        SlotPoolHandle(4, 4096, memory=memoryview(mmap(-1, needed + 64))[64:])


def test_attach_to_memory_without_a_pool_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="no slot pool"):
        SlotPoolHandle.attach(mmap(-1, 4096))


def test_queue_without_pools_or_of_another_shape_is_refused() -> None:
    pool = SlotPoolHandle(4, 4096)
    with pytest.raises(InvalidArgumentError, match="has no pool"):
        BatchQueue([])
    with pytest.raises(InvalidArgumentError, match="power of two"):
        BatchQueue([pool], ring_capacity=3)
    with pytest.raises(InvalidArgumentError, match="belongs to worker"):
        BatchQueue([pool, pool])
    memory = mmap(-1, BatchQueue.bytes_needed(1, 8))
    BatchQueue([pool], ring_capacity=8, memory=memory)
    with pytest.raises(InvalidArgumentError, match="ring_capacity 8"):
        BatchQueue([pool], ring_capacity=4, memory=memory)


def test_slot_that_does_not_exist_is_refused() -> None:
    pool, queue = queue_of()
    for call in (pool.payload, pool.release, pool.result, queue.complete_slot, queue.requeue_slot):
        with pytest.raises(InvalidArgumentError, match="does not exist"):
            call(4)
    with pytest.raises(InvalidArgumentError, match="names worker 1"):
        queue.complete_slot(1 << 18)


def test_untouched_defaults_take_next_to_no_memory() -> None:
    def resident_bytes() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    before = resident_bytes()
    pools = [SlotPoolHandle() for _ in range(8)]
    queues = [BatchQueue([pool]) for pool in pools]
    for pool, queue in zip(pools, queues, strict=True):
        for _ in range(10_000):  # one task at a time: slot and block are reused
            slot = pool.acquire(bytes(6_000))
            queue.push_slot(slot, 20_000)
            queue.pop(1)
            pool.release(slot)
    assert resident_bytes() - before < 8 << 20


def test_pop_with_equal_deadlines_takes_the_shorter_slo_class_first() -> None:
    pool, queue = queue_of()
    slots = [pool.acquire(b"x") for _ in range(3)]
    for slot, slo_us in zip(slots, (1_000, 2_000, 4_000), strict=True):
        assert queue.push_slot(slot, slo_us)
    assert queue.pop(3) == (slots, [])
