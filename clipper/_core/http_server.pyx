# cython: language_level=3, boundscheck=False, wraparound=False
"""What all connections of one worker share: limits, routes, handler, the turn's clock, counters."""

import logging
from email.utils import formatdate

from libc.string cimport memcpy

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING

cdef extern from "clock.hpp" namespace "clipper" nogil:
    uint64_t monotonic_us() noexcept

_logger = logging.getLogger("clipper.http")

cdef enum:
    _DATE_AGE_US = 1_000_000        # Date has a resolution of one second
    _DATE_BYTES = 29                # IMF-fixdate, RFC 9110 section 5.6.7


@cython.final
cdef class HttpServer:

    def __init__(self, loop, limits, PredictHandler handler not None, RouteTable routes not None, *, clock_us=None):
        # The protocol is built on the server; so the server can only learn of it when it is made.
        from clipper._core.http_protocol import HttpProtocol

        self._loop = loop
        self._clock_us = clock_us
        self._protocol_class = HttpProtocol
        self.limits = limits
        self.limit.max_header_bytes = limits.max_header_bytes
        self.limit.max_body_bytes = limits.max_body_bytes
        self.limit.max_buffered_body_bytes = limits.max_buffered_body_bytes
        self.limit.max_pipelined_requests = limits.max_pipelined_requests
        self.limit.max_pipelined_bytes = limits.max_pipelined_bytes
        self.limit.max_connections = limits.max_connections
        self.limit.idle_timeout_us = limits.idle_timeout_us
        self.limit.request_timeout_us = limits.request_timeout_us
        self.limit.write_timeout_us = limits.write_timeout_us
        self.limit.linger_timeout_us = limits.linger_timeout_us
        self.handler = handler
        self.routes = routes
        self._end_turn_callback = self._end_turn
        self._connections = set()
        self._dirty = []
        self.refusals = {}
        self._read_clock()

    def protocol_factory(self):
        return self._protocol_class(self)

    @property
    def idle(self):
        return self.open_requests == 0 and not self._dirty

    def begin_drain(self, on_idle=None):
        self.draining = True
        self._on_idle = on_idle
        if not self._turn_open:
            self._read_clock()
        for connection in list(self._connections):
            (<HttpConnection>connection).begin_drain()
        self.flush()

    def sweep(self, uint64_t now_us):
        if not self._turn_open:
            self._now_us = now_us       # what ends now must not be stamped with the time of the last read
        for connection in list(self._connections):
            (<HttpConnection>connection).sweep(now_us)
        self.flush()

    def abort_all(self):
        for connection in list(self._connections):
            connection.abort()

    cdef uint64_t turn_now_us(self) except? 0:
        if not self._turn_open:
            self._read_clock()
            self._loop.call_soon(self._end_turn_callback)
            self._turn_open = True
        return self._now_us

    cdef uint64_t now_us(self) noexcept:
        return self._now_us

    cpdef int flush(self) except -1:
        cdef list dirty
        # A flush may make others dirty (a connection that ends, a paused one that reads on): until none is.
        while self._dirty:
            dirty = self._dirty
            self._dirty = []
            for connection in dirty:
                try:
                    (<HttpConnection>connection).flush_output()
                except Exception:
                    # One connection's trouble must not keep the others' answers.
                    _logger.exception("cannot write to a connection; it is dropped")
                    connection.abort()
        if self._on_idle is not None and self.open_requests == 0:
            on_idle, self._on_idle = self._on_idle, None
            on_idle()
        return 0

    cdef int mark_dirty(self, HttpConnection connection) except -1:
        self._dirty.append(connection)
        return 0

    cdef int count_refusal(self, str code) except -1:
        self.refusals[code] = self.refusals.get(code, 0) + 1
        return 0

    def _end_turn(self):
        # The turn's reads took time: batches are sent, and what waits for them is measured, from here.
        self._read_clock()
        try:
            self.handler.on_turn_end(self._now_us)
        except Exception:
            _logger.exception("the predict handler failed at the end of a turn")
        # Only now: what the handler asks during on_turn_end still belongs to this turn.
        self._turn_open = False
        self.flush()

    cdef int _read_clock(self) except -1:
        cdef bytes date
        self._now_us = monotonic_us() if self._clock_us is None else self._clock_us()
        if self._date_read_us == 0 or self._now_us - self._date_read_us >= _DATE_AGE_US:
            date = formatdate(usegmt=True).encode("ascii")
            memcpy(self.date, PyBytes_AS_STRING(date), _DATE_BYTES)
            self._date_read_us = self._now_us
        return 0
