# Hops 1 and 10, the side that answers: order, coalescing, flow control both ways, time limits, the end of a connection.
from libc.stdint cimport uint64_t

from clipper._core.http_request cimport HttpConnection
from clipper._core.http_response cimport ReplyTraits, ResponseQueue, string_view
from clipper._core.http_server cimport HttpServer


cdef enum ConnectionState:
    NEW = 0             # no transport yet
    OPEN = 1
    LINGERING = 2       # the last answer is out, our side is shut; what still comes is dropped until the client closes
    CLOSED = 3


cdef class AnsweringConnection(HttpConnection):
    # -- for life
    cdef HttpServer server
    cdef object transport               # None before connection_made and after connection_lost
    cdef object _write                  # transport.write, bound once
    cdef ConnectionState state
    # -- answers
    cdef ResponseQueue queue
    cdef uint64_t _counted_open         # how many of the queue's open places server.open_requests counts
    cdef bint _is_dirty                 # in the server's list to flush
    cdef bint lingers                   # end by lingering: the client did not ask for the end and may still be sending
    # -- reading
    cdef bint input_ended               # nothing that comes from now on is a request
    cdef bint eof_received_             # the client has shut its side
    cdef bint reading_paused            # by us, through the transport
    cdef bint has_remainder             # bytes were read that wait for room to be parsed
    cdef bint _resume_scheduled
    cdef bint in_message                # between a request's first byte and its last
    cdef bint head_done                 # of that request; it has its place in the queue from then on
    # -- time, all on the server's clock
    cdef uint64_t last_active_us        # last time it had nothing left to answer
    cdef uint64_t request_started_us
    cdef uint64_t _linger_until_us
    cdef bint _writing_paused           # by the transport
    cdef uint64_t _stalled_since_us     # 0: the client takes its answers
    cdef uint64_t _handed_bytes         # to the transport, since the start
    cdef uint64_t _taken_bytes          # of these, by the client's system, at the last sweep

    cdef int respond_error(self, uint64_t sequence, int status, const char* code, string_view cause,
                           const char* extra_headers) except -1
    cdef int write_continue(self, uint64_t sequence) except -1
    cdef uint64_t open_place(self, ReplyTraits traits) except? 0
    cdef bint pipeline_is_full(self) noexcept
    cdef int update_reading(self) except -1
    cdef int end_connection(self) except -1
    # The input side's part:
    cdef int resume_input(self) except -1                       # parse the remainder
    cdef int refuse(self, int status, const char* code, string_view cause) except -1
    cdef int forget_input(self) except -1                       # drop what was kept of a request in progress

    cdef int _finish(self, uint64_t sequence) except -1
    cdef int _mark_dirty(self) except -1
    cdef int _count_open(self) noexcept
    cdef int _sweep_writing(self, uint64_t now_us) except -1
