# cython: language_level=3, boundscheck=False, wraparound=False
"""The reading side of a connection: bytes to httptools, its callbacks to whole requests, requests to their routes."""

import asyncio
import logging

import httptools
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from clipper._core.http_connection cimport OPEN
from clipper._core.http_server cimport HttpServer

_logger = logging.getLogger("clipper.http")
_HttpParserError = httptools.HttpParserError
_HttpParserUpgrade = httptools.HttpParserUpgrade
_HttpParserCallbackError = httptools.HttpParserCallbackError

cdef enum:
    # A read of at most this much is parsed in one go, since it cannot hold more than about ninety predict requests.
    # Anything longer that may hold several, and anything behind an unanswered request, is parsed request by request,
    # so that parsing can stop at the pipeline's limits: httptools itself cannot be paused.
    _WHOLE_READ_BYTES = 4096
    # A chunked body may spend this many bytes on framing for each byte of its own (a one-byte chunk needs 5), beyond
    # twice max_header_bytes for extensions and trailers. llhttp sets no limit to either.
    _FRAMING_PER_BODY_BYTE = 16
    # A body of which so much is still to come, and whose length is known, is copied from the reads into its place and
    # never shown to the parser, which would make an object of each piece.
    _DIRECT_BODY_BYTES = 65536


cdef class BaseHttpProtocol(DecidingConnection):

    def __init__(self, HttpServer server not None):
        DecidingConnection.__init__(self, server)
        self._new_parser()

    cdef int _new_parser(self) except -1:
        self.parser = httptools.HttpRequestParser(self)
        self._feed_data, self.get_method = self.parser.feed_data, self.parser.get_method
        self.should_keep_alive = self.parser.should_keep_alive

    # -- bytes ---------------------------------------------------------------------------------------------------

    def data_received(self, bytes data not None):
        cdef uint64_t data_bytes = <uint64_t>PyBytes_GET_SIZE(data)
        self.server.received_bytes_total += data_bytes
        if self.input_ended:
            return
        self.server.turn_now_us()
        if self.has_remainder:
            # Reading is paused, but the transport had this in hand already.
            self._remainder = self._remainder[self._remainder_offset:] + data
            self._remainder_offset = 0
        elif self.queue.open_count() == 0 and (
                data_bytes <= _WHOLE_READ_BYTES or data_bytes < _DIRECT_BODY_BYTES and has_one_head(
                    PyBytes_AS_STRING(data), data_bytes)):
            self._feed(data, data_bytes)
        else:
            self._feed_stepwise(data, 0)
        if not self.input_ended and self.pipeline_is_full():
            self.update_reading()

    def eof_received(self):
        self.eof_received_ = True
        if self.state != OPEN or self.transport is None:
            return False
        self.server.turn_now_us()
        if self.in_message and not self.has_remainder:
            self.refuse(400, b"truncated_request", string_view(
                b"the client ended its side before the request was whole"))
        # A client may shut its side after the last request and wait for the answers (RFC 9112 section 9.6). Under TLS
        # asyncio's transports end both sides at once, and complain of whoever wants it otherwise.
        return self.transport.can_write_eof() and (
            self.queue.open_count() != 0 or self.has_remainder or self._is_dirty)

    cdef int _feed(self, object data, uint64_t data_bytes) except -1:
        """Parse; every outcome but a bug here is handled here."""
        self._message_bytes += data_bytes
        while True:
            try:
                self._feed_data(data)
                break
            except _HttpParserUpgrade as upgrade:
                if self.input_ended:
                    return 0
                data = self._after_upgrade(data, upgrade.args[0])
            except _HttpParserCallbackError as error:
                _logger.error("a callback of the HTTP parser failed", exc_info=error)
                if not self.input_ended:
                    self.refuse(500, b"internal_error", string_view(b"the server failed to read the request"))
                return 0
            except _HttpParserError as error:
                if not self.input_ended:
                    cause = b"not a valid HTTP/1.1 request: " + str(error).encode("latin-1", "replace")
                    self.refuse(400, b"malformed_request", string_view(PyBytes_AS_STRING(cause), len(cause)))
                return 0
        return 0 if self.input_ended or not self.in_message else self._check_progress()

    cdef int _feed_stepwise(self, bytes data, Py_ssize_t offset) except -1:
        """Parse no further than the next end of a head or of a body at a time, as long as there is room for answers."""
        cdef Py_ssize_t data_bytes = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t step_bytes
        cdef object view = None
        while offset < data_bytes and not self.input_ended:
            if self._writing_paused or self.pipeline_is_full():
                self._remainder = data
                self._remainder_offset = offset
                self.has_remainder = True
                return 0
            step_bytes = max(1, self._step_bytes(PyBytes_AS_STRING(data) + offset, data_bytes - offset))
            if self._is_direct or self._begins_direct_body():
                self._take_body(PyBytes_AS_STRING(data) + offset, <uint64_t>step_bytes)
            elif step_bytes == data_bytes:
                self._feed(data, <uint64_t>step_bytes)
            else:
                if view is None:
                    view = memoryview(data)
                self._feed(view[offset:offset + step_bytes], <uint64_t>step_bytes)
            offset += step_bytes
        return 0

    cdef bint _begins_direct_body(self) except -1:
        if not self.in_message or not self.head_done or not self.head.has_content_length or self.head.has_upgrade or (
                self.head.content_length - self._body_bytes < _DIRECT_BODY_BYTES):
            return False
        self._is_direct = True
        if self._keeps_body:
            self.joined_body.reserve(self.head.content_length)
            self._join_body()
        return True

    cdef int _take_body(self, const char* data, uint64_t data_bytes) except -1:
        """Take the next bytes of a direct body, none behind its end."""
        self._message_bytes += data_bytes
        self._body_bytes += data_bytes
        if self._keeps_body:
            self.joined_body.append(data, <size_t>data_bytes)
        if self._body_bytes < self.head.content_length:
            return self._check_progress()
        self._new_parser()      # the old one still waits for the body
        self.on_message_complete()

    cdef Py_ssize_t _step_bytes(self, const char* data, Py_ssize_t rest_bytes) noexcept:
        cdef size_t to_head_end
        if not self.in_message:
            to_head_end = head_bytes(data, <size_t>rest_bytes)
            if to_head_end != 0:
                return <Py_ssize_t>to_head_end
        elif self.head_done and self.head.has_content_length:
            return min(rest_bytes, <Py_ssize_t>(self.head.content_length - self._body_bytes))
        return min(rest_bytes, _WHOLE_READ_BYTES)

    cdef int resume_input(self) except -1:
        cdef bytes data = self._remainder
        self._remainder = None
        self.has_remainder = False
        self.server.turn_now_us()
        self._feed_stepwise(data, self._remainder_offset)
        if self.eof_received_ and not self.has_remainder:
            if self.in_message and not self.input_ended:
                self.refuse(400, b"truncated_request", string_view(
                    b"the client ended its side before the request was whole"))
            elif self.queue.open_count() == 0 and self.queue.out().empty():
                self.end_connection()
        return 0

    cdef int _check_progress(self) except -1:
        """The limits that a request can pass before it is whole."""
        if not self.head_done:
            if self._message_bytes > self.server.limit.max_header_bytes:
                self.refuse(431, b"header_too_large", string_view(
                    b"request line and header fields are longer than the limit max_header_bytes"))
            return 0
        if self.head.is_chunked and self._message_bytes > (
                self._body_bytes * (_FRAMING_PER_BODY_BYTE + 1) + 3 * self.server.limit.max_header_bytes):
            self.refuse(400, b"malformed_request", string_view(
                b"chunk extensions and trailers outweigh the body that they frame"))
            return 0
        if self._keeps_body:
            self.server.buffered_body_bytes += self._body_bytes - self._buffered_bytes
            self._buffered_bytes = self._body_bytes
            if self.server.buffered_body_bytes > self.server.limit.max_buffered_body_bytes:
                self.refuse(503, b"overloaded", string_view(
                    b"request bodies in progress take more than the limit max_buffered_body_bytes"))
        return 0

    cdef object _after_upgrade(self, object data, Py_ssize_t offset):
        """An Upgrade is ignored (RFC 9110 section 7.8); returns what of `data` is still to be parsed.

        llhttp takes what follows the head for another protocol. If it is a body (Java's HttpClient offers h2c with a
        POST), a fresh parser is told a head of the same framing and then given the body.
        """
        if self.replays_body:
            self.replays_body = False
            self._new_parser()
            self._replays_head = True
            framing = b"Transfer-Encoding: chunked" if self.head.is_chunked else (
                b"Content-Length: %d" % self.head.content_length)
            close = b"" if self.queue.traits(self.sequence).keep_alive else b"Connection: close\r\n"
            self._feed_data(b"POST / HTTP/1.1\r\n" + close + framing + b"\r\n\r\n")
        return memoryview(data)[offset:]

    # -- the parser's callbacks --------------------------------------------------------------------------------

    def on_url(self, bytes url not None):
        if self.input_ended or self._replays_head:
            return
        if self.in_message:
            self.url += url
            return
        self.in_message = True
        self.head_done = False
        self.url = url
        self.head.clear()
        self._body_bytes = 0
        self.request_started_us = self.server.now_us()

    def on_header(self, bytes name not None, bytes value not None):
        if self.head_done or self.input_ended:
            return      # a trailer, or nothing that matters any more
        self.head.add(PyBytes_AS_STRING(name), <size_t>PyBytes_GET_SIZE(name),
                      PyBytes_AS_STRING(value), <size_t>PyBytes_GET_SIZE(value))

    def on_headers_complete(self):
        cdef Refusal refusal
        cdef ReplyTraits traits
        cdef bint ends = False
        if self.input_ended:
            return
        if self._replays_head:
            self._replays_head = False
            return
        refusal = self.admit(&traits, &ends)
        if self.server.draining:
            traits.keep_alive = False
            self.lingers = True
        self.head_done = True
        self.sequence = self.open_place(traits)
        if refusal.status == 0:
            refusal = self.check_route(&ends)
        if refusal.status != 0 and ends:
            self.refuse_place(refusal)
            return
        self.refusal = refusal
        self._keeps_body = refusal.status == 0 and self.method == Method.Post and self.route.reads_body
        if self.head.expects_continue and not traits.is_http10:    # RFC 9110 section 10.1.1
            self.write_continue(self.sequence)

    def on_body(self, bytes body not None):
        cdef uint64_t piece_bytes = <uint64_t>PyBytes_GET_SIZE(body)
        if self.input_ended:
            return
        self._body_bytes += piece_bytes
        if self._body_bytes > self.server.limit.max_body_bytes:
            self.refuse(413, b"body_too_large", string_view(b"the body is longer than the limit max_body_bytes"))
            return
        if not self._keeps_body:
            return
        if self._body_bytes == piece_bytes:
            self.body = body
            return
        self._join_body()
        self.joined_body.append(PyBytes_AS_STRING(body), <size_t>piece_bytes)

    cdef int _join_body(self) except -1:
        if self.body is not None:
            self.joined_body.append(PyBytes_AS_STRING(self.body), <size_t>PyBytes_GET_SIZE(self.body))
            self.body = None

    def on_message_complete(self):
        if self.input_ended or self.replays_body:
            return
        self.in_message = self._is_direct = False
        self._message_bytes = 0
        self.server.requests_total += 1
        if not self.queue.traits(self.sequence).keep_alive:
            self.input_ended = True
        try:
            self.answer_request()
        except Exception:
            _logger.exception("route %r failed", self.route.name if self.route is not None else None)
            self.respond_error(self.sequence, 500, b"internal_error", string_view(
                b"the server failed to carry out the request; its log says why"), NULL)
        self.forget_input()

    # -- the end of a request -------------------------------------------------------------------------------------

    cdef int refuse(self, int status, const char* code, string_view cause) except -1:
        """Answer the request in progress, or what should have been one, with an error, and end the connection."""
        cdef ReplyTraits traits
        cdef bytes allow = self.allow_line(status)
        if not (self.in_message and self.head_done):
            traits.keep_alive = False
            traits.is_http10 = False
            traits.is_head = False
            self.sequence = self.open_place(traits)
        self.queue.close_after(self.sequence)
        self.lingers = True
        self.input_ended = True
        self.forget_input()
        return self.respond_error(self.sequence, status, code, cause, PyBytes_AS_STRING(allow))

    cdef int forget_input(self) except -1:
        cdef string emptied
        self.body = None
        emptied.swap(self.joined_body)     # gives the memory back, which clear() does not
        self.server.buffered_body_bytes -= self._buffered_bytes
        self._buffered_bytes = 0
        if self.input_ended:
            self.in_message = False
            self._remainder = None
            self.has_remainder = False
        if self.transport is None:      # the parser holds methods of ours: a cycle
            self.parser = self._feed_data = self.get_method = self.should_keep_alive = None
        return 0


class HttpProtocol(BaseHttpProtocol, asyncio.Protocol):
    """The connection as asyncio knows it."""
