# The predict tasks of one worker: input bytes, deadlines, result. slot_pool.hpp says how it works and who may do what.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector


cdef extern from "slot_pool.hpp" namespace "clipper" nogil:
    cdef cppclass Claimer:
        @staticmethod
        Claimer of_worker(uint32_t worker, uint32_t incarnation) noexcept

    cdef cppclass SlotPool:
        @staticmethod
        size_t bytes_needed(uint32_t slot_count, uint64_t arena_bytes) noexcept

        @staticmethod
        SlotPool* create(void* memory, uint32_t slot_count, uint64_t arena_bytes, uint32_t worker) noexcept

        @staticmethod
        SlotPool* attach(void* memory) noexcept

        # owner: one worker, one thread
        int64_t acquire(uint64_t payload_bytes) noexcept        # slot index; -1 = no slot or no memory: say no now
        void set_deadlines(uint32_t slot, uint64_t deadline_us, uint64_t drop_deadline_us) noexcept
        cbool release(uint32_t slot) noexcept                   # acquired, drained, or claimed by the owner itself
        void drain_completed(vector[uint32_t]& done) except +   # appends
        void recover() noexcept

        # claimer: any worker
        cbool complete(uint32_t slot, Claimer me, uint64_t result) noexcept

        # reading; payload and result only for who holds the slot
        char* payload(uint32_t slot) noexcept
        uint64_t payload_bytes(uint32_t slot) noexcept
        uint64_t result(uint32_t slot) noexcept
        uint64_t deadline_us(uint32_t slot) noexcept
        uint64_t drop_deadline_us(uint32_t slot) noexcept
        uint32_t slot_count() noexcept
        uint32_t worker() noexcept
        uint32_t in_use() noexcept
        uint64_t arena_used_bytes() noexcept
        uint64_t arena_capacity_bytes() noexcept


cdef class PoolMemory:
    # Zero-filled memory that a pool or a queue lives in: private and lazily touched, or the caller's writable buffer.
    cdef char* address
    cdef readonly size_t size_bytes
    cdef object _exporter           # keeps the mapping alive; exports of it are counted by the buffer protocol

    cdef int map(self, object memory, size_t size_bytes) except -1


cdef class SlotPoolHandle:
    cdef SlotPool* pool             # never NULL after construction; lives as long as this object
    cdef PoolMemory _memory

    cdef int _check(self, uint32_t slot) except -1
