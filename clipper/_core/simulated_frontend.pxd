# A frontend without sockets and without a clock: what bench.simulate drives. Everything that decides is the product's.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.set cimport set as cset
from libcpp.vector cimport vector

from clipper._core.dispatcher cimport BatchSink, Dispatcher
from clipper._core.histogram cimport Histogram
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.slot_pool cimport SlotPool, SlotPoolHandle


cdef struct PushedTask:
    uint32_t slot
    uint64_t serial                     # which of the slot's tasks it was


cdef struct Tally:                      # of the queries that came in one interval
    uint64_t offered
    uint64_t in_time
    uint64_t late                       # evaluated, and answered with the default before
    uint64_t dropped                    # by early drop
    uint64_t expired                    # still queued at the deadline
    uint64_t refused                    # by admission, or for want of room


cdef class SimulatedFrontend(BatchSink):
    cdef readonly Dispatcher dispatcher
    cdef readonly ModelRuntime model
    cdef SlotPoolHandle slots           # keeps `pool` alive
    cdef SlotPool* pool
    cdef readonly uint64_t slo_us
    cdef readonly uint64_t patience_us  # from arrival to the default output
    cdef readonly uint64_t interval_us
    # the tasks, by slot
    cdef vector[uint64_t] arrival_us
    cdef vector[uint64_t] serials
    cdef uint64_t next_serial
    cdef vector[PushedTask] pushed      # in order of arrival, from `oldest` on: the deadlines to come
    cdef size_t oldest
    # what the world is to hear
    cdef list sent
    cdef cset[uint64_t] wishes          # times at which the dispatcher wants to be asked again
    # what came of it
    cdef vector[Tally] tallies          # by interval of arrival
    cdef readonly Histogram latency_us  # of answers in time

    cdef Tally* tally(self, uint64_t arrival_us) except NULL
    cdef int expire(self, uint64_t now_us) except -1
    cdef int arrive(self, uint64_t now_us) except -1
