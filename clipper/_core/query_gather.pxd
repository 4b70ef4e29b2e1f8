# Hops 9 and 10: deadlines, gather, reply.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.application cimport Application
from clipper._core.deadline_timer cimport DeadlineTimer
from clipper._core.decision_log cimport DecisionLog
from clipper._core.http_request cimport HttpConnection, PredictHandler
from clipper._core.http_response cimport string_view
from clipper._core.http_server cimport HttpServer
from clipper._core.plan cimport Plan
from clipper._core.query cimport Combined, Member, Query, QueryPool, Request
from clipper._core.query_log cimport QueryLog

cdef extern from "deadline_heap.hpp" namespace "clipper" nogil:
    cppclass DeadlineHeap[T]:
        void insert(T*, uint64_t) except +
        void remove(T*)
        T* pop_due(uint64_t)
        uint64_t next_us()
        bint empty()


cdef class QueryGather(PredictHandler):
    cdef HttpServer server
    cdef DeadlineTimer timer
    cdef uint64_t armed_us                  # what the timer was last asked for; 0 = not armed
    cdef uint64_t wake_us                   # when the first of the models wants to be dispatched; 2**64-1 = none does
    cdef uint64_t reply_margin_us
    cdef QueryPool queries
    cdef DeadlineHeap[Query] deadlines
    cdef readonly QueryLog log
    cdef readonly DecisionLog decisions     # of the applications that learn
    cdef string text                        # of the answer being rendered
    cdef vector[string_view] missing        # labels of the members that are not in it

    # Whoever owns the tasks takes the member off the one it waits on. Implemented by the query processor.
    cdef int leave(self, Member* member, uint64_t now_us) except -1
    # The task is evaluated even if nobody waits on it any more. Implemented by whoever owns the tasks.
    cdef int keep_task(self, uint32_t slot) except -1
    # A stage of a cascade is in: whether the query waits for another one now. Implemented by selection.
    cdef bint goes_on(self, Query* query, Member* member, uint64_t now_us) except -1
    # Queries that wait for the end of the turn ask their models now. Implemented by selection.
    cdef int select_waiting(self, uint64_t now_us) except -1
    cdef int leave_pending(self, Query* query, uint64_t now_us) except -1
    cdef bint take_hits(self, Query* query, uint64_t now_us) except -1
    cdef int take_member(self, Query* query, Member* member, uint64_t now_us) except -1
    # Sees to the models that want to be dispatched by now, and to wake_us.
    cdef int wake_models(self, uint64_t now_us) except -1
    cdef int finish(self, Query* query, uint64_t now_us) except -1
    cdef bint remember(self, Query* query, Application app, Plan plan, Combined& combined, bint is_prediction,
                       uint64_t now_us) except -1
    cdef int end_followed(self, Query* query, uint64_t now_us) except -1
    cdef int append_answer(self, Query* query, Application app, Plan plan, Combined& combined) except -1
    cdef int append_missing_members(self, Query* query, Plan plan) except -1
    cdef int append_miss(self, Query* query, Application app, Plan plan, Combined& combined, uint64_t now_us) except -1
    cdef int answer_request(self, Request* request) except -1
    cdef int release_request(self, Request* request) except -1
    cdef int refuse(self, HttpConnection connection, uint64_t sequence, int status, const char* code,
                    bytes cause) except -1
    cdef int arm(self) except -1
