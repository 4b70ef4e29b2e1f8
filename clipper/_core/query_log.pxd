# What is said of single queries: those that were missed, a few a second, and those that asked to be traced.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.application cimport Application
from clipper._core.in_flight cimport InFlightBatch
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.output cimport Output
from clipper._core.plan cimport Plan
from clipper._core.query cimport Member, MemberState, Query, TaskRecord
from clipper._core.rate_window cimport RateWindow
from clipper._core.replica cimport Replica


cdef class QueryLog:
    # options
    cdef public uint64_t misses_per_second      # logged, of each application and reason
    cdef public uint64_t traces_per_second
    # the batch whose tasks are being ended; None outside
    cdef Replica ending
    cdef uint64_t ending_batch_id
    # traced queries
    cdef RateWindow trace_window
    cdef uint32_t live                          # traced queries that are not answered yet: 0 skips every look
    cdef dict stages                            # query id -> {stage: us}

    # misses
    cdef int miss(self, Query* query, Application app, MemberState worst, bint is_too_late, const char* failure,
                  Output* cause, uint64_t now_us) except -1
    cdef dict miss_place(self, Query* query, MemberState worst)
    # traces, in the order of a query's journey
    cdef bint admits_trace(self, Application app, uint64_t now_us) except -1
    cdef int begin(self, Query* query, Application app, uint64_t input_bytes) except -1
    cdef int started(self, Query* query, Member* member, ModelRuntime model, bint joined) except -1
    cdef int sent(self, Replica replica, InFlightBatch* batch, vector[TaskRecord]& tasks, uint64_t now_us) except -1
    cdef int result(self, Replica replica, InFlightBatch* batch, vector[TaskRecord]& tasks, uint64_t compute_us,
                    uint64_t now_us) except -1
    cdef dict missing_fields(self, Query* query)
    cdef int answered(self, Query* query, Application app, bint is_prediction, uint64_t now_us) except -1
    cdef int tell(self, Query* query, str what, Replica replica, InFlightBatch* batch, dict stages,
                  dict fields) except -1
