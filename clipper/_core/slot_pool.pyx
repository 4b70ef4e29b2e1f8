# cython: language_level=3, boundscheck=False, wraparound=False
"""Slot pools for Python: memory, life time and checks. The work is in slot_pool.hpp."""

import mmap

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromObject, PyMemoryView_GET_BUFFER
from cython cimport final
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from libcpp.vector cimport vector

from clipper.errors import InvalidArgumentError

# 16,384 tasks in flight and queued: 0.16 s of work at 100,000 queries/s, more than any SLO would let stand.
DEFAULT_SLOT_COUNT = 16384
# 64 MiB: every slot with a 4 KiB payload, or four bodies of the largest accepted size.
DEFAULT_ARENA_BYTES = 64 << 20
_PAGE_BYTES = 4096


@final
cdef class PoolMemory:
    cdef int map(self, object memory, size_t size_bytes) except -1:
        """Hold ``memory`` (any writable buffer, page-aligned), or map private memory if it is None."""
        if memory is None:
            memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        view = PyMemoryView_FromObject(memory)
        buffer = PyMemoryView_GET_BUFFER(view)
        if buffer.readonly or <size_t>buffer.len < size_bytes:
            raise InvalidArgumentError(
                f"a queue needs {size_bytes} writable bytes; {buffer.len} bytes, "
                f"{'read-only' if buffer.readonly else 'writable'}, were given")
        if <size_t>buffer.buf % _PAGE_BYTES != 0:
            raise InvalidArgumentError("the memory of a queue must begin at a page", hint="use mmap or SharedMemory")
        self.address = <char*>buffer.buf
        self.size_bytes = buffer.len
        self._exporter = view
        return 0


@final
cdef class SlotPoolHandle:
    def __init__(self, uint32_t slot_count=DEFAULT_SLOT_COUNT, uint64_t arena_bytes=DEFAULT_ARENA_BYTES, *,
                 uint32_t worker=0, object memory=None):
        self._memory = PoolMemory.__new__(PoolMemory)
        self._memory.map(memory, SlotPool.bytes_needed(slot_count, arena_bytes))
        self.pool = SlotPool.create(self._memory.address, slot_count, arena_bytes, worker)
        if self.pool == NULL:
            raise InvalidArgumentError(
                f"slot_count must be 1..262144, worker 0..63 and arena_bytes at most 128 GiB; "
                f"got {slot_count}, {worker} and {arena_bytes}")

    @staticmethod
    def attach(object memory):
        cdef SlotPoolHandle handle = SlotPoolHandle.__new__(SlotPoolHandle)
        handle._memory = PoolMemory.__new__(PoolMemory)
        handle._memory.map(memory, _PAGE_BYTES)
        handle.pool = SlotPool.attach(handle._memory.address)
        if handle.pool == NULL:
            raise InvalidArgumentError("there is no slot pool of this version in the memory")
        cdef size_t needed = SlotPool.bytes_needed(handle.pool.slot_count(), handle.pool.arena_capacity_bytes())
        if handle._memory.size_bytes < needed:
            raise InvalidArgumentError(f"the slot pool takes {needed} bytes; {handle._memory.size_bytes} are mapped")
        return handle

    @staticmethod
    def bytes_needed(uint32_t slot_count, uint64_t arena_bytes):
        return SlotPool.bytes_needed(slot_count, arena_bytes)

    cdef int _check(self, uint32_t slot) except -1:
        if slot >= self.pool.slot_count():
            raise InvalidArgumentError(f"slot {slot} does not exist; the pool has {self.pool.slot_count()}")
        return 0

    def acquire(self, const unsigned char[::1] payload not None):
        cdef int64_t slot = self.pool.acquire(payload.shape[0])
        if slot >= 0 and payload.shape[0] > 0:
            memcpy(self.pool.payload(<uint32_t>slot), &payload[0], payload.shape[0])
        return slot

    def set_deadlines(self, uint32_t slot, uint64_t deadline_us, uint64_t drop_deadline_us):
        self._check(slot)
        self.pool.set_deadlines(slot, deadline_us, drop_deadline_us)

    def payload(self, uint32_t slot):
        self._check(slot)
        return PyBytes_FromStringAndSize(self.pool.payload(slot), self.pool.payload_bytes(slot))

    def result(self, uint32_t slot):
        self._check(slot)
        return self.pool.result(slot)

    def release(self, uint32_t slot):
        self._check(slot)
        return bool(self.pool.release(slot))

    def drain(self):
        cdef vector[uint32_t] done
        self.pool.drain_completed(done)
        return done

    def recover(self):
        self.pool.recover()

    @property
    def worker(self):
        return self.pool.worker()

    @property
    def slot_count(self):
        return self.pool.slot_count()

    @property
    def in_use(self):
        return self.pool.in_use()

    @property
    def arena_used_bytes(self):
        return self.pool.arena_used_bytes()
