# cython: language_level=3, boundscheck=False, wraparound=False
"""The answering side of a connection: it knows the transport and the order of answers, but not HTTP's input."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libcpp.string cimport string

from clipper._core.http_response cimport append_response, error_json, kContinue, kJsonType


cdef class AnsweringConnection(HttpConnection):

    def __init__(self, HttpServer server not None):
        self.server = server
        self.state = NEW

    # -- answers ------------------------------------------------------------------------------------------------

    cdef int respond_json(self, uint64_t sequence, int status, const char* body, size_t body_bytes,
                          const char* extra_headers) except -1:
        return self.respond_typed(sequence, status, kJsonType, string_view(body, body_bytes), extra_headers)

    cdef int respond_typed(self, uint64_t sequence, int status, string_view content_type, string_view body,
                           const char* extra_headers) except -1:
        cdef string* sink
        cdef size_t bytes_before
        cdef string_view extra
        if not self.queue.is_open(sequence):
            return 0
        if extra_headers != NULL:
            extra = string_view(extra_headers)
        sink = &self.queue.sink(sequence)
        bytes_before = sink.size()
        append_response(sink[0], status, string_view(self.server.date, 29), content_type, body, extra,
                        self.queue.traits(sequence))
        self.queue.written(sequence, sink.size() - bytes_before)
        return self._finish(sequence)

    cdef int respond(self, uint64_t sequence, const char* response, size_t response_bytes) except -1:
        if not self.queue.is_open(sequence):
            return 0
        self.queue.sink(sequence).append(response, response_bytes)
        self.queue.written(sequence, response_bytes)
        return self._finish(sequence)

    cdef int respond_error(self, uint64_t sequence, int status, const char* code, string_view cause,
                           const char* extra_headers) except -1:
        cdef string body = error_json(string_view(code), cause)
        self.server.count_refusal(code.decode("ascii"))
        return self.respond_json(sequence, status, body.data(), body.size(), extra_headers)

    cdef int write_continue(self, uint64_t sequence) except -1:
        self.queue.sink(sequence).append(kContinue.data(), kContinue.size())
        self.queue.written(sequence, kContinue.size())
        return self._mark_dirty()

    cdef bint keep_alive_for(self, uint64_t sequence) noexcept:
        return self.queue.is_open(sequence) and self.queue.traits(sequence).keep_alive

    cdef bint is_open(self) noexcept:
        return self.state == OPEN

    cdef uint64_t open_place(self, ReplyTraits traits) except? 0:
        cdef uint64_t sequence = self.queue.open(traits)
        self._count_open()
        return sequence

    cdef int _finish(self, uint64_t sequence) except -1:
        self.queue.finish(sequence)
        self._count_open()
        return self._mark_dirty()

    cdef int _mark_dirty(self) except -1:
        if not self._is_dirty and not self.queue.out().empty():
            self._is_dirty = True
            self.server.mark_dirty(self)
        return 0

    cdef int _count_open(self) noexcept:
        cdef uint64_t open_now = self.queue.open_count()
        self.server.open_requests += open_now - self._counted_open
        self._counted_open = open_now
        return 0

    cdef int flush_output(self) except -1:
        cdef bytes data
        self._is_dirty = False
        if self.transport is None or self.state != OPEN:
            self.queue.clear_out()
            return 0
        if not self.queue.out().empty():
            data = PyBytes_FromStringAndSize(self.queue.out().data(), <Py_ssize_t>self.queue.out().size())
            self.queue.clear_out()
            self._handed_bytes += <uint64_t>len(data)
            self.server.sent_bytes_total += <uint64_t>len(data)
            self._write(data)
        if self.queue.open_count() == 0:
            self.last_active_us = self.server.now_us()
        if self.queue.ended():
            return self.end_connection()
        if self.eof_received_ and self.queue.open_count() == 0 and not self.has_remainder:
            return self.end_connection()
        if self.reading_paused or self.has_remainder:
            return self.update_reading()
        return 0

    # -- reading and writing are paused and resumed ------------------------------------------------------------

    cdef bint pipeline_is_full(self) noexcept:
        return self.queue.is_full(self.in_message and self.head_done, self.server.limit.max_pipelined_requests,
                                  self.server.limit.max_pipelined_bytes)

    cdef int update_reading(self) except -1:
        """Pause or resume the transport's reading, with hysteresis; what was read already is parsed first."""
        cdef bint may_read
        if self.transport is None or self.state == CLOSED:
            return 0
        if self.input_ended:
            may_read = True         # what comes is dropped, but its end must be seen
        elif self._writing_paused:
            may_read = False
        elif self.reading_paused:
            may_read = self.queue.has_drained(
                self.in_message and self.head_done, self.server.limit.max_pipelined_requests,
                self.server.limit.max_pipelined_bytes)
        else:
            may_read = not self.pipeline_is_full()
        if may_read and self.has_remainder:
            if not self._resume_scheduled:
                self._resume_scheduled = True
                self.server._loop.call_soon(self._resume)
            return 0
        if may_read != self.reading_paused:
            return 0
        if self.transport.is_closing():
            return 0
        if may_read:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()
        self.reading_paused = not may_read
        return 0

    def _resume(self):
        self._resume_scheduled = False
        if self.state == OPEN and self.has_remainder:
            self.resume_input()
            self.update_reading()

    def pause_writing(self):
        self._writing_paused = True
        self.update_reading()

    def resume_writing(self):
        self._writing_paused = False
        self.update_reading()

    # -- the life of the connection ------------------------------------------------------------------------------

    def connection_made(self, transport):
        self.transport = transport
        self._write = transport.write
        self.state = OPEN
        self.last_active_us = self.server.turn_now_us()
        self.server._connections.add(self)
        self.server.connections_total += 1
        self.server.open_connections += 1
        if self.server.open_connections <= self.server.limit.max_connections:
            return
        # One more than allowed is told so; but those who are told may not pile up either.
        most_told = self.server.limit.max_connections // 8 + 16
        if self.server.open_connections > self.server.limit.max_connections + most_told:
            self.server.count_refusal("too_many_connections")
            self.abort()
        else:
            self.refuse(503, b"too_many_connections", string_view(
                b"the server has as many connections as its limit max_connections allows"))

    def connection_lost(self, exc):
        self.state = CLOSED
        self.input_ended = True
        self.transport = None
        self._write = None
        self.queue.drop_open()
        self.queue.clear_out()
        self._count_open()
        self.forget_input()
        self.server._connections.discard(self)
        self.server.open_connections -= 1

    def abort(self):
        """Drop the connection, whatever waits to be written."""
        self.state = CLOSED
        if self.transport is not None:
            self.transport.abort()

    cdef int end_connection(self) except -1:
        """The last answer has been handed to the transport."""
        self.input_ended = True
        self.forget_input()
        if self.lingers and not self.eof_received_ and self.transport.can_write_eof():
            # Closing while the client still sends would make the kernel reset the connection, and the reset overtakes
            # the answer (RFC 9112 section 9.6). So: shut our side, drop what comes, close when the client does.
            self.state = LINGERING
            self._linger_until_us = self.server.now_us() + self.server.limit.linger_timeout_us
            self.update_reading()
            self.transport.write_eof()
            return 0
        self.state = CLOSED
        self.transport.close()
        return 0

    cdef int begin_drain(self) except -1:
        if self.state != OPEN or self.input_ended:
            return 0
        if self.queue.open_count() == 0 and not self.in_message and not self.has_remainder:
            self.lingers = True
            return self.end_connection()
        if self.in_message:
            if self.head_done:
                self.lingers = True
                self.queue.close_after(self.queue.last_sequence())
            return 0        # else on_headers_complete will see that the server drains
        if self.queue.open_count() != 0:
            self.lingers = True
            self.queue.close_after(self.queue.last_sequence())
            self.input_ended = True
            self.forget_input()
        return 0

    # -- time limits -----------------------------------------------------------------------------------------------

    cdef int sweep(self, uint64_t now_us) except -1:
        if self.transport is None:
            return 0
        if self._sweep_writing(now_us):
            return 0
        if self.state == LINGERING:
            if now_us >= self._linger_until_us:
                self.abort()
        elif self.state == OPEN and self.in_message:
            if self.reading_paused or self.has_remainder:
                self.request_started_us = now_us        # it is we who do not read
            elif now_us >= self.request_started_us + self.server.limit.request_timeout_us and not self.input_ended:
                self.refuse(408, b"request_timeout", string_view(
                    b"the request did not arrive whole within request_timeout_us of its first byte"))
        elif self.state == OPEN and self.queue.open_count() == 0 and not self.has_remainder:
            if now_us >= self.last_active_us + self.server.limit.idle_timeout_us:
                self.server.count_refusal("idle_timeout")
                self.lingers = False
                self.end_connection()
        return 0

    cdef int _sweep_writing(self, uint64_t now_us) except -1:
        """Cut off a client that takes nothing of what waits in the transport; 1 if it was."""
        cdef uint64_t waiting_bytes = self.transport.get_write_buffer_size()
        cdef uint64_t taken_bytes = self._handed_bytes - waiting_bytes
        if waiting_bytes == 0:
            self._stalled_since_us = 0
        elif self._stalled_since_us == 0 or taken_bytes != self._taken_bytes:
            self._stalled_since_us = now_us
        elif now_us >= self._stalled_since_us + self.server.limit.write_timeout_us:
            self.server.count_refusal("write_timeout")
            self.abort()
            return 1
        self._taken_bytes = taken_bytes
        return 0

    # -- the input side's part ---------------------------------------------------------------------------------------

    cdef int resume_input(self) except -1:
        raise NotImplementedError

    cdef int refuse(self, int status, const char* code, string_view cause) except -1:
        raise NotImplementedError

    cdef int forget_input(self) except -1:
        raise NotImplementedError
