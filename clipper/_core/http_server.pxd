# Hop 1: what all connections of a worker share: limits, routes, handler, the turn's clock, counters, the list to flush.
from libc.stdint cimport uint64_t

from clipper._core.http_request cimport HttpConnection, PredictHandler
from clipper._core.route_table cimport RouteTable


cdef struct HttpLimitValues:        # HttpLimits as C values; same names, same units
    uint64_t max_header_bytes
    uint64_t max_body_bytes
    uint64_t max_buffered_body_bytes
    uint64_t max_pipelined_requests
    uint64_t max_pipelined_bytes
    uint64_t max_connections
    uint64_t idle_timeout_us
    uint64_t request_timeout_us
    uint64_t write_timeout_us
    uint64_t linger_timeout_us


cdef class HttpServer:
    """Shared by all connections of one worker; lives on the loop's thread."""
    # -- given at the start
    cdef object _loop
    cdef object _clock_us                       # None: CLOCK_MONOTONIC; else a callable -> int (tests)
    cdef object _protocol_class
    cdef readonly object limits                 # HttpLimits
    cdef HttpLimitValues limit
    cdef PredictHandler handler
    cdef public RouteTable routes               # swapped whole
    # -- the turn
    cdef bint _turn_open
    cdef uint64_t _now_us                       # of the last turn opened
    cdef object _end_turn_callback              # bound once
    cdef uint64_t _date_read_us
    cdef char date[32]                          # IMF-fixdate, 29 characters and a NUL, at most one second old
    # -- connections
    cdef set _connections                       # open ones, lingering ones included
    cdef list _dirty                            # connections with something to write
    cdef readonly bint draining
    cdef object _on_idle                        # called once, when a drain has nothing left to answer; or None
    # -- counters, since the start unless said otherwise
    cdef readonly uint64_t open_connections     # now
    cdef readonly uint64_t connections_total
    cdef readonly uint64_t open_requests        # now: read, not yet answered
    cdef readonly uint64_t requests_total       # whole requests read
    cdef readonly uint64_t received_bytes_total
    cdef readonly uint64_t sent_bytes_total     # handed to the transport
    cdef readonly uint64_t buffered_body_bytes  # now: bodies that came in pieces and are not whole yet
    cdef readonly dict refusals                 # stable error code -> how often

    # The clock of this loop turn, CLOCK_MONOTONIC in microseconds. The first call of a turn reads it and schedules the
    # turn's end (handler.on_turn_end, then flush); later calls of the same turn return the same value.
    cdef uint64_t turn_now_us(self) except? 0
    # One transport.write per connection that has something to say.
    cpdef int flush(self) except -1

    # For connections alone:
    cdef uint64_t now_us(self) noexcept         # of the last turn; opens none
    cdef int mark_dirty(self, HttpConnection connection) except -1
    cdef int count_refusal(self, str code) except -1
    cdef int _read_clock(self) except -1
