# cython: language_level=3, boundscheck=False, wraparound=False
"""A request with a body, for a route that is answered in Python, at once or later."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cimport cython


@cython.final
cdef class BodyRequest:

    def respond(self, int status, bytes body not None, *, bint retry_after=False):
        cdef const char* headers = NULL
        if retry_after:
            headers = b"Retry-After: 1\r\n"
        self.connection.respond_json(self.sequence, status, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), headers)


cdef int answer_body_route(HttpConnection connection, uint64_t sequence, Route route, const char* body,
                           size_t body_bytes, uint64_t now_us) except -1:
    cdef BodyRequest request = BodyRequest.__new__(BodyRequest)
    request.connection = connection
    request.sequence = sequence
    request.body = PyBytes_FromStringAndSize(body, <Py_ssize_t>body_bytes)
    request.now_us = now_us
    route.target(request)
    return 0
