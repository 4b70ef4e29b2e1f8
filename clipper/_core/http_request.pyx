# cython: language_level=3, boundscheck=False, wraparound=False
"""A connection that can be answered and a handler that is asked: the two interfaces of the HTTP hop."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cimport cython


cdef class HttpConnection:

    cdef int respond_json(self, uint64_t sequence, int status, const char* body, size_t body_bytes,
                          const char* extra_headers) except -1:
        raise NotImplementedError

    cdef int respond_typed(self, uint64_t sequence, int status, string_view content_type, string_view body,
                           const char* extra_headers) except -1:
        raise NotImplementedError

    cdef int respond(self, uint64_t sequence, const char* response, size_t response_bytes) except -1:
        raise NotImplementedError

    cdef bint keep_alive_for(self, uint64_t sequence) noexcept:
        return False

    cdef bint is_open(self) noexcept:
        return False

    cdef int flush_output(self) except -1:
        raise NotImplementedError

    cdef int sweep(self, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef int begin_drain(self) except -1:
        raise NotImplementedError


cdef class PredictHandler:

    cdef int on_predict(self, HttpConnection connection, uint64_t sequence, Route route, const char* body,
                        size_t body_bytes, bint is_binary, uint64_t clipper_batch, bint is_traced,
                        uint64_t arrival_us) except -1:
        raise NotImplementedError

    cdef int on_turn_end(self, uint64_t now_us) except -1:
        return 0


@cython.final
cdef class PyPredictHandler(PredictHandler):

    def __init__(self, call not None):
        self._call = call
        self._waiting = {}
        self._next_ticket = 0
        self.turns = 0

    @property
    def waiting(self):
        return list(self._waiting)

    def respond(self, uint64_t ticket, int status, bytes body not None):
        connection, sequence = self._waiting.pop(ticket)
        (<HttpConnection>connection).respond_json(
            sequence, status, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), NULL)

    def respond_raw(self, uint64_t ticket, bytes response not None):
        connection, sequence = self._waiting.pop(ticket)
        (<HttpConnection>connection).respond(sequence, PyBytes_AS_STRING(response), PyBytes_GET_SIZE(response))

    def is_client_there(self, uint64_t ticket):
        connection, _ = self._waiting[ticket]
        return (<HttpConnection>connection).is_open()

    def keeps_alive(self, uint64_t ticket):
        connection, sequence = self._waiting[ticket]
        return (<HttpConnection>connection).keep_alive_for(sequence)

    cdef int on_predict(self, HttpConnection connection, uint64_t sequence, Route route, const char* body,
                        size_t body_bytes, bint is_binary, uint64_t clipper_batch, bint is_traced,
                        uint64_t arrival_us) except -1:
        cdef uint64_t ticket = self._next_ticket
        cdef bytes copied = PyBytes_FromStringAndSize(body, <Py_ssize_t>body_bytes)
        cdef bytes answer_body
        self._next_ticket += 1
        self._waiting[ticket] = (connection, sequence)
        answer = self._call(route.name, copied, bool(is_binary), clipper_batch)
        if answer is None:
            return 0
        del self._waiting[ticket]
        status, answer_body = answer
        connection.respond_json(sequence, status, PyBytes_AS_STRING(answer_body), PyBytes_GET_SIZE(answer_body), NULL)
        return 0

    cdef int on_turn_end(self, uint64_t now_us) except -1:
        self.turns += 1
        return 0
