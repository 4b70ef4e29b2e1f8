# cython: language_level=3, boundscheck=False, wraparound=False
"""The batch queue for Cython and Python: memory, life time and checks. The work is in batch_queue.hpp."""

from cython cimport final
from libc.stdint cimport uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.finish_estimate cimport FinishEstimate
from clipper._core.slot_pool cimport Claimer, PoolMemory, SlotPool, SlotPoolHandle

from clipper.errors import InvalidArgumentError


cdef uint32_t _power_of_two(uint32_t at_least) noexcept nogil:
    cdef uint32_t power = 1
    while power < at_least:
        power *= 2
    return power


@final
cdef class BatchQueue:
    def __init__(self, pools, *, uint32_t worker=0, uint32_t incarnation=0, uint32_t queue_id=0,
                 uint32_t ring_capacity=0, object memory=None):
        cdef vector[SlotPool*] pointers
        cdef SlotPoolHandle handle
        cdef uint32_t most_slots = 1
        self._pools = tuple(pools)
        for index, handle in enumerate(self._pools):
            if handle.pool.worker() != index:
                raise InvalidArgumentError(f"pools[{index}] belongs to worker {handle.pool.worker()}")
            pointers.push_back(handle.pool)
            most_slots = max(most_slots, handle.pool.slot_count())
        if worker >= pointers.size():
            raise InvalidArgumentError(f"worker {worker} has no pool among the {pointers.size()} given")
        if ring_capacity == 0:
            ring_capacity = _power_of_two(most_slots)
        self._memory = PoolMemory.__new__(PoolMemory)
        self._memory.map(memory, CBatchQueue.bytes_needed(<uint32_t>pointers.size(), ring_capacity))
        if not CBatchQueue.is_created(self._memory.address, <uint32_t>pointers.size()) and not CBatchQueue.create(
                self._memory.address, <uint32_t>pointers.size(), ring_capacity, queue_id):
            raise InvalidArgumentError(f"ring_capacity must be a power of two; got {ring_capacity}")
        del self._queue
        self._queue = new CBatchQueue(self._memory.address, pointers, worker, incarnation)
        if self._queue.ring_capacity() != ring_capacity:
            raise InvalidArgumentError(
                f"the queue was created with ring_capacity {self._queue.ring_capacity()}, not {ring_capacity}")

    def __dealloc__(self):
        del self._queue

    @staticmethod
    def bytes_needed(uint32_t worker_count, uint32_t ring_capacity):
        return CBatchQueue.bytes_needed(worker_count, ring_capacity)

    # -- the data path ---------------------------------------------------------------------------------------------

    cdef int push(self, uint32_t slot, uint64_t slo_us) noexcept nogil:
        return 0 if self._queue.push(slot, slo_us) else -1

    cdef int requeue(self, uint32_t slot) noexcept nogil:
        return 0 if self._queue.requeue(slot) else -1

    cdef int complete(self, uint32_t slot, uint64_t result) noexcept nogil:
        return 0 if self._queue.complete(slot, result) else -1

    cdef int pop_batch(self, uint32_t max_size, uint64_t now_us, FinishEstimate estimate, vector[uint32_t]& batch,
                       vector[uint32_t]& dropped) noexcept nogil:
        return self._queue.pop_batch(max_size, now_us, estimate, batch, dropped)

    cdef int pop_batch_at(self, uint32_t max_size, uint64_t now_us, uint64_t start_us, uint64_t other_us,
                          FinishEstimate estimate, vector[uint32_t]& batch, vector[uint32_t]& dropped,
                          vector[uint32_t]& spared) noexcept nogil:
        return self._queue.pop_batch(max_size, now_us, start_us, other_us, estimate, batch, dropped, spared)

    cdef uint64_t earliest_deadline_us(self) noexcept nogil:
        return self._queue.earliest_deadline_us()

    cdef int withdraw(self, uint32_t slot) noexcept nogil:
        return 0 if self._queue.withdraw(slot) else -1

    cdef uint64_t depth(self) noexcept nogil:
        return self._queue.depth()

    # -- checked, for tests and tools ------------------------------------------------------------------------------

    cdef int _check(self, uint32_t slot) except -1:
        if origin_of(slot) >= <size_t>len(self._pools):
            raise InvalidArgumentError(f"slot id {slot} names worker {origin_of(slot)}; there are {len(self._pools)}")
        return (<SlotPoolHandle>self._pools[origin_of(slot)])._check(index_of(slot))

    def push_slot(self, uint32_t slot, uint64_t slo_us):
        (<SlotPoolHandle>self._pools[self._queue.worker()])._check(slot)
        return self.push(slot, slo_us) == 0

    def requeue_slot(self, uint32_t slot):
        self._check(slot)
        return self.requeue(slot) == 0

    def complete_slot(self, uint32_t slot, uint64_t result=0):
        self._check(slot)
        return self.complete(slot, result) == 0

    def withdraw_slot(self, uint32_t slot):
        (<SlotPoolHandle>self._pools[self._queue.worker()])._check(slot)
        return self.withdraw(slot) == 0

    def pop(self, uint32_t max_size, uint64_t now_us=0, *, uint64_t base_us=0, double per_item_us=0.0):
        cdef FinishEstimate estimate
        estimate.base_us = base_us
        estimate.per_item_us = per_item_us
        self.pop_batch(max_size, now_us, estimate, self._batch, self._dropped)
        return self._batch, self._dropped

    def sweep(self, uint32_t worker, uint32_t incarnation):
        return bool(self._queue.sweep(Claimer.of_worker(worker, incarnation)))

    def __len__(self):
        return self._queue.depth()

    @staticmethod
    def split(uint32_t slot):
        return origin_of(slot), index_of(slot)
