# Hops 2 and 3: a request becomes queries. Single-threaded: everything here runs on the worker's loop thread.
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.application cimport Application
from clipper._core.plan cimport Plan
from clipper._core.predict_body cimport ParsedBody
from clipper._core.query cimport Query, Request
from clipper._core.selection cimport Selection


cdef class QueryProcessor(Selection):
    # reuse
    cdef ParsedBody body
    # identity
    cdef uint64_t next_query_id
    cdef uint64_t query_id_step
    # of the request being started
    cdef bint is_traced

    cdef Plan plan_for_version(self, Application app, bytes version)
    cdef Plan plan_for_context(self, Application app)
    cdef object version_cause(self, Application app, bytes version)
    cdef int start_query(self, Application app, Plan plan, Request* request, uint32_t part, const char* data,
                         uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1
