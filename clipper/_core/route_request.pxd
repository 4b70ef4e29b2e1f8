# Hop 2, beside predictions: a request for a route that is answered in Python.
from libc.stdint cimport uint64_t

from clipper._core.http_request cimport HttpConnection
from clipper._core.route_table cimport Route


cdef class RouteRequest:
    cdef HttpConnection connection
    cdef uint64_t sequence
    cdef readonly bytes body                # empty without one
    cdef readonly uint64_t now_us           # start of the loop turn that read its last byte


# Calls the route's target, which answers with RouteRequest.respond, now or later.
cdef int hand_to_route(HttpConnection connection, uint64_t sequence, Route route, const char* body, size_t body_bytes,
                       uint64_t now_us) except -1
