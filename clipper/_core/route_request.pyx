# cython: language_level=3, boundscheck=False, wraparound=False
"""A request for a route that is answered in Python, at once or later."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cimport cython

from clipper._core.http_response cimport string_view


@cython.final
cdef class RouteRequest:

    def respond(self, int status, bytes body not None, *, bytes content_type not None=b"application/json",
                bint retry_after=False):
        cdef const char* headers = NULL
        if retry_after:
            headers = b"Retry-After: 1\r\n"
        self.connection.respond_typed(
            self.sequence, status,
            string_view(PyBytes_AS_STRING(content_type), <size_t>PyBytes_GET_SIZE(content_type)),
            string_view(PyBytes_AS_STRING(body), <size_t>PyBytes_GET_SIZE(body)), headers)


cdef int hand_to_route(HttpConnection connection, uint64_t sequence, Route route, const char* body, size_t body_bytes,
                       uint64_t now_us) except -1:
    cdef RouteRequest request = RouteRequest.__new__(RouteRequest)
    request.connection = connection
    request.sequence = sequence
    request.body = PyBytes_FromStringAndSize(body, <Py_ssize_t>body_bytes)
    request.now_us = now_us
    route.target(request)
    return 0
