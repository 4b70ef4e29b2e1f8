# Hops 1 and 2 meet the rest of the core here: a connection that can be answered, a handler that is asked.
# Both are abstract, so that this header depends on neither the protocol nor the query processor.
from libc.stdint cimport uint8_t, uint64_t

from clipper._core.http_response cimport string_view
from clipper._core.route_table cimport Route


# What of a request's head is kept; the code is C++: request_head.hpp.
cdef extern from "request_head.hpp" namespace "clipper" nogil:
    enum class Method(uint8_t):
        Get
        Head
        Post
        Options
        Other

    Method method_of(const char* name) noexcept

    cdef struct Refusal:
        int status                  # 0: none
        const char* code            # stable
        const char* cause

    cdef cppclass RequestHead:
        bint has_content_length
        bint is_chunked
        bint expects_continue
        bint is_binary
        bint is_traced
        bint has_connection
        bint has_upgrade
        uint64_t content_length
        uint64_t clipper_batch      # 0: absent
        uint64_t field_bytes
        Refusal refusal             # the first thing wrong
        void clear() noexcept
        void add(const char* name, size_t name_bytes, const char* value, size_t value_bytes) noexcept


cdef inline Refusal make_refusal(int status, const char* code, const char* cause) noexcept:
    cdef Refusal refusal
    refusal.status = status
    refusal.code = code
    refusal.cause = cause
    return refusal


cdef class HttpConnection:
    """One client connection, as the responder sees it. It may outlive its transport: answers then go nowhere.

    Requests are numbered from 0 per connection (`sequence`); answers may come in any order and leave in request order,
    coalesced: they are written by HttpServer.flush(), which the server itself calls at the end of every loop turn that
    read something. Whoever answers outside such a turn (an RPC completion) calls flush() when it is done.
    A second answer to one sequence, or one to a client that is gone, does nothing.
    """
    # The answer with a JSON body; the head is made here (status line, Date, Content-Length, Connection as the request
    # needs it, no body for HEAD). `extra_headers`: NULL, or whole lines, each ended by CRLF. No pointer is kept.
    cdef int respond_json(self, uint64_t sequence, int status, const char* body, size_t body_bytes,
                          const char* extra_headers) except -1
    # The same with a body of any type.
    cdef int respond_typed(self, uint64_t sequence, int status, string_view content_type, string_view body,
                           const char* extra_headers) except -1
    # The answer as whole HTTP bytes; must say `Connection: close` if not keep_alive_for().
    cdef int respond(self, uint64_t sequence, const char* response, size_t response_bytes) except -1
    # Does the connection stay open after this answer?
    cdef bint keep_alive_for(self, uint64_t sequence) noexcept
    # False when the client is gone: work that nobody waits for can be skipped.
    cdef bint is_open(self) noexcept

    # For HttpServer alone:
    cdef int flush_output(self) except -1                       # one transport.write of all that may leave
    cdef int sweep(self, uint64_t now_us) except -1             # closes if one of its time limits has passed
    cdef int begin_drain(self) except -1                        # answer what is in hand, then close


cdef class PredictHandler:
    """Whoever answers the predict routes: the query processor, or a twin in tests."""
    # A whole request has been read. `body` is borrowed and lives only until this returns. `is_binary`: Content-Type is
    # application/octet-stream. `clipper_batch`: the Clipper-Batch header, 0 = absent. `is_traced`: Clipper-Trace: 1.
    # `arrival_us`: start of the loop turn that read the request's first byte.
    # Answer with connection.respond_json(sequence, ...), now or later, once. An exception is logged; the answer is 500.
    cdef int on_predict(self, HttpConnection connection, uint64_t sequence, Route route, const char* body,
                        size_t body_bytes, bint is_binary, uint64_t clipper_batch, bint is_traced,
                        uint64_t arrival_us) except -1
    # Once per loop turn, after all of its reads and before its answers are written: form and send batches here.
    cdef int on_turn_end(self, uint64_t now_us) except -1


cdef class PyPredictHandler(PredictHandler):
    """A handler written in Python, for tests: see .pyi."""
    cdef object _call
    cdef dict _waiting              # ticket (int, from 0 in order of arrival) -> (connection, sequence)
    cdef uint64_t _next_ticket
    cdef readonly uint64_t turns    # loop turns ended
