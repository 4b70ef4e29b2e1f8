# Hop 3: a query's plan says whom it asks, and when.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.application cimport Application
from clipper._core.plan cimport Plan
from clipper._core.predict_tasks cimport PredictTasks
from clipper._core.query cimport Query


cdef struct WaitingQuery:
    Query* query                # waits for its plan's select; asks nobody yet
    size_t offset               # of its input in waiting_data
    uint64_t data_bytes
    uint64_t slo_us
    bint is_traced


cdef class Selection(PredictTasks):
    cdef uint64_t random_state
    # of the request being started
    cdef bint has_context
    cdef uint64_t context_word              # for the draws of sticky plans
    # queries whose features choose their model, until the end of the turn that read them
    cdef vector[WaitingQuery] waiting
    cdef vector[char] waiting_data
    cdef vector[WaitingQuery] selecting     # those that are being seen to, while new ones come
    cdef vector[char] selecting_data

    # A new query asks whom its plan says: now, or when the turn ends.
    cdef int ask(self, Application app, Plan plan, Query* query, const char* data, uint64_t data_bytes,
                 uint64_t slo_us, uint64_t now_us, bint is_traced) except -1
    cdef int ask_shadows(self, Application app, Plan plan, Query* query, const char* data, uint64_t data_bytes,
                         uint64_t now_us) except -1
    # cascades
    cdef bint ask_next_stages(self, Application app, Plan plan, Query* query, const char* data, uint64_t data_bytes,
                              uint64_t slo_us, uint64_t now_us) except -1
    # features
    cdef bint read_row(self, Application app, Query* query, const char* data, uint64_t data_bytes) except -1
    cdef int draw_uniform(self, Plan plan, Query* query) except -1
    cdef size_t take_group(self, size_t begin) noexcept
    cdef int select_group(self, size_t begin, size_t end, uint64_t now_us) except -1
    cdef int choose(self, Plan plan, size_t begin, size_t end) except -1
    cdef int ask_selected(self, WaitingQuery* waiting, uint64_t now_us) except -1
    cdef int trace_start(self, Application app, Plan plan, Query* query, uint64_t data_bytes) except -1
    cdef uint64_t random(self) noexcept
