# The queue of one model version: rings by (worker, SLO class), merged by deadline. batch_queue.hpp holds the algorithm.
from libc.stdint cimport uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from clipper._core.finish_estimate cimport FinishEstimate
from clipper._core.slot_pool cimport Claimer, PoolMemory, SlotPool, SlotPoolHandle


cdef extern from "batch_queue.hpp" namespace "clipper" nogil:
    uint32_t origin_of(uint32_t slot) noexcept      # of a slot id: the worker whose pool it is in
    uint32_t index_of(uint32_t slot) noexcept       # of a slot id: the index in that pool; equal to it for worker 0

    cdef cppclass CBatchQueue "clipper::BatchQueue":
        @staticmethod
        size_t bytes_needed(uint32_t worker_count, uint32_t ring_capacity) noexcept

        @staticmethod
        cbool create(void* memory, uint32_t worker_count, uint32_t ring_capacity, uint32_t queue_id) noexcept

        @staticmethod
        cbool is_created(void* memory, uint32_t worker_count) noexcept

        CBatchQueue(void* memory, const vector[SlotPool*]& pools, uint32_t worker, uint32_t incarnation) except +
        cbool push(uint32_t slot, uint64_t slo_us) noexcept
        cbool requeue(uint32_t slot) noexcept
        cbool complete(uint32_t slot, uint64_t result) noexcept
        cbool withdraw(uint32_t index) noexcept
        int pop_batch(uint32_t max_size, uint64_t now_us, FinishEstimate estimate, vector[uint32_t]& batch,
                      vector[uint32_t]& dropped) noexcept
        int pop_batch(uint32_t max_size, uint64_t now_us, uint64_t start_us, uint64_t other_us, FinishEstimate estimate,
                      vector[uint32_t]& batch, vector[uint32_t]& dropped, vector[uint32_t]& spared) noexcept
        uint64_t earliest_deadline_us() noexcept
        uint64_t depth() noexcept
        cbool sweep(Claimer dead) noexcept
        Claimer me() noexcept
        uint32_t worker() noexcept
        uint32_t worker_count() noexcept
        uint32_t ring_capacity() noexcept


cdef class BatchQueue:
    cdef CBatchQueue* _queue            # owned; a view of _memory and the pools
    cdef PoolMemory _memory             # the rings
    cdef tuple _pools                   # SlotPoolHandle of each worker, kept alive
    cdef vector[uint32_t] _batch        # scratch of pop()
    cdef vector[uint32_t] _dropped

    # A slot is named by its id (origin_of, index_of) wherever it may be another worker's. vectors are cleared first;
    # running out of memory in them ends the process.
    cdef int push(self, uint32_t slot, uint64_t slo_us) noexcept nogil       # own pool's index; 0, -1 = ring full
    cdef int requeue(self, uint32_t slot) noexcept nogil                     # 0; -1 = ring full or not mine
    cdef int complete(self, uint32_t slot, uint64_t result) noexcept nogil   # 0; -1 = not mine
    cdef int pop_batch(self, uint32_t max_size, uint64_t now_us, FinishEstimate estimate, vector[uint32_t]& batch,
                       vector[uint32_t]& dropped) noexcept nogil             # size of the batch
    # For a batch that begins at start_us; what it cannot meet, but one that is done at other_us could, is spared:
    # claimed, for the caller to requeue.
    cdef int pop_batch_at(self, uint32_t max_size, uint64_t now_us, uint64_t start_us, uint64_t other_us,
                          FinishEstimate estimate, vector[uint32_t]& batch, vector[uint32_t]& dropped,
                          vector[uint32_t]& spared) noexcept nogil
    cdef uint64_t earliest_deadline_us(self) noexcept nogil                  # of the next to be popped; 2**64-1 = none
    cdef int withdraw(self, uint32_t slot) noexcept nogil                    # own pool's index: 0; -1 = not queued
    cdef uint64_t depth(self) noexcept nogil
    cdef int _check(self, uint32_t slot) except -1
