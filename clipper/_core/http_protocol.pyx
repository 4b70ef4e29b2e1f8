# cython: language_level=3, boundscheck=False, wraparound=False
"""The reading side of a connection: bytes to httptools, its callbacks to whole requests, requests to their routes."""

import asyncio
import logging

import httptools
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memset

from clipper._core.body_request cimport answer_body_route
from clipper._core.http_request cimport make_refusal as _refusal, method_of
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
cdef Refusal _NO_REFUSAL
memset(&_NO_REFUSAL, 0, sizeof(_NO_REFUSAL))


cdef class BaseHttpProtocol(AnsweringConnection):

    def __init__(self, HttpServer server not None):
        AnsweringConnection.__init__(self, server)
        self._new_parser()

    cdef int _new_parser(self) except -1:
        self._parser = httptools.HttpRequestParser(self)
        self._feed_data, self._get_method = self._parser.feed_data, self._parser.get_method
        self._should_keep_alive = self._parser.should_keep_alive

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
                data_bytes <= _WHOLE_READ_BYTES or has_one_head(PyBytes_AS_STRING(data), data_bytes)):
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
            if step_bytes == data_bytes:
                self._feed(data, <uint64_t>step_bytes)
            else:
                if view is None:
                    view = memoryview(data)
                self._feed(view[offset:offset + step_bytes], <uint64_t>step_bytes)
            offset += step_bytes
        return 0

    cdef Py_ssize_t _step_bytes(self, const char* data, Py_ssize_t rest_bytes) noexcept:
        cdef size_t to_head_end
        if not self.in_message:
            to_head_end = head_bytes(data, <size_t>rest_bytes)
            if to_head_end != 0:
                return <Py_ssize_t>to_head_end
        elif self.head_done and self._head.has_content_length:
            return min(rest_bytes, <Py_ssize_t>(self._head.content_length - self._body_bytes))
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
        if self._head.is_chunked and self._message_bytes > (
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
        if self._replays_body:
            self._replays_body = False
            self._new_parser()
            self._replays_head = True
            framing = b"Transfer-Encoding: chunked" if self._head.is_chunked else (
                b"Content-Length: %d" % self._head.content_length)
            close = b"" if self.queue.traits(self._sequence).keep_alive else b"Connection: close\r\n"
            self._feed_data(b"POST / HTTP/1.1\r\n" + close + framing + b"\r\n\r\n")
        return memoryview(data)[offset:]

    # -- the parser's callbacks --------------------------------------------------------------------------------

    def on_url(self, bytes url not None):
        if self.input_ended or self._replays_head:
            return
        if self.in_message:
            self._url += url
            return
        self.in_message = True
        self.head_done = False
        self._url = url
        self._head.clear()
        self._body_bytes = 0
        self.request_started_us = self.server.now_us()

    def on_header(self, bytes name not None, bytes value not None):
        if self.head_done or self.input_ended:
            return      # a trailer, or nothing that matters any more
        self._head.add(PyBytes_AS_STRING(name), <size_t>PyBytes_GET_SIZE(name),
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
        refusal = self._admit(&traits, &ends)
        if self.server.draining:
            traits.keep_alive = False
            self.lingers = True
        self.head_done = True
        self._sequence = self.open_place(traits)
        if refusal.status == 0:
            refusal = self._check_route(&ends)
        if refusal.status != 0 and ends:
            self._refuse_place(refusal)
            return
        self._refusal = refusal
        self._keeps_body = refusal.status == 0 and self._method == Method.Post and self._route.reads_body
        if self._head.expects_continue and not traits.is_http10:    # RFC 9110 section 10.1.1
            self.write_continue(self._sequence)

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
            self._body = body
            return
        if self._body is not None:
            self._joined_body.assign(PyBytes_AS_STRING(self._body), <size_t>PyBytes_GET_SIZE(self._body))
            self._body = None
        self._joined_body.append(PyBytes_AS_STRING(body), <size_t>piece_bytes)

    def on_message_complete(self):
        if self.input_ended or self._replays_body:
            return
        self.in_message = False
        self._message_bytes = 0
        self.server.requests_total += 1
        if not self.queue.traits(self._sequence).keep_alive:
            self.input_ended = True
        try:
            self._answer()
        except Exception:
            _logger.exception("route %r failed", self._route.name if self._route is not None else None)
            self.respond_error(self._sequence, 500, b"internal_error", string_view(
                b"the server failed to carry out the request; its log says why"), NULL)
        self.forget_input()

    # -- decisions ---------------------------------------------------------------------------------------------

    cdef Refusal _admit(self, ReplyTraits* traits, bint* ends) except *:
        """Whether the head can be served at all; if not, the connection ends, for its framing is not to be trusted."""
        cdef bytes method = self._get_method()
        ends[0] = True
        self._method = method_of(method)
        self._route = None
        traits.keep_alive = self._should_keep_alive()
        traits.is_head = self._method == Method.Head
        traits.is_http10 = False
        # Without a Connection header llhttp keeps alive version 1.1 and later, and it knows none later.
        if not traits.keep_alive or self._head.has_connection or self._head.is_chunked:
            version = self._parser.get_http_version()
            traits.is_http10 = version == "1.0"
            if not traits.is_http10 and version != "1.1":
                return _refusal(505, b"version_not_supported", b"only HTTP/1.1 and HTTP/1.0 are spoken here")
        if self._head.refusal.status != 0:
            return self._head.refusal
        if traits.is_http10 and self._head.is_chunked:      # RFC 9112 section 6.1
            return _refusal(400, b"malformed_request", b"Transfer-Encoding does not exist in HTTP/1.0")
        # "METHOD SP url SP HTTP/1.1 CRLF", the fields, CRLF
        if <uint64_t>PyBytes_GET_SIZE(method) + <uint64_t>PyBytes_GET_SIZE(self._url) + 14 + self._head.field_bytes \
                > self.server.limit.max_header_bytes:
            return _refusal(431, b"header_too_large",
                            b"request line and header fields are longer than the limit max_header_bytes")
        if self._head.has_upgrade and self._parser.should_upgrade():
            self._replays_body = self._head.is_chunked or self._head.content_length != 0
        return _NO_REFUSAL

    cdef Refusal _check_route(self, bint* ends) except *:
        """Where the request goes, and whether its body will be read. Without `ends` the body is read past first."""
        # After a refusal, whoever waits for 100 Continue may or may not send the body, and no request follows CONNECT
        # (an upgrade to llhttp): only the end is clear to both.
        ends[0] = self._head.expects_continue or (self._method == Method.Other and self._parser.should_upgrade())
        if self._head.content_length > self.server.limit.max_body_bytes:
            ends[0] = True
            return _refusal(413, b"body_too_large", b"Content-Length is beyond the limit max_body_bytes")
        self._route = self.server.routes.find(self._url)
        if self._route is None:
            if self._method == Method.Options and self._url == b"*":
                return _NO_REFUSAL
            return _refusal(404, b"not_found", b"no application and no operation has this path")
        if self._method == Method.Options:
            return _NO_REFUSAL
        if not (self._route.allows_post if self._method == Method.Post
                else self._route.allows_get and self._method != Method.Other):
            return _refusal(405, b"method_not_allowed", b"the Allow header lists the methods of this path")
        if self._route.reads_body and not self._head.has_content_length and not self._head.is_chunked:
            ends[0] = True
            return _refusal(411, b"length_required", b"this path needs a body: with Content-Length, or chunked")
        return _NO_REFUSAL

    cdef int _answer(self) except -1:
        cdef bytes allow
        if self._refusal.status != 0:
            return self._refuse_place(self._refusal)
        if self._method == Method.Options:
            allow = b"Allow: %s\r\n" % (b"GET, HEAD, POST, OPTIONS" if self._route is None else self._route.allow)
            return self.respond_json(self._sequence, 204, NULL, 0, PyBytes_AS_STRING(allow))
        if self._route.reads_body:
            return self._answer_with_body()
        return self._answer_route()

    cdef int _answer_with_body(self) except -1:
        cdef const char* body = b""
        cdef size_t body_bytes = 0
        if self._body is not None:
            body = PyBytes_AS_STRING(self._body)
            body_bytes = <size_t>PyBytes_GET_SIZE(self._body)
        elif not self._joined_body.empty():
            body = self._joined_body.data()
            body_bytes = self._joined_body.size()
        if not self._route.is_predict:
            return answer_body_route(self, self._sequence, self._route, body, body_bytes, self.server.now_us())
        return self.server.handler.on_predict(
            self, self._sequence, self._route, body, body_bytes, self._head.is_binary, self._head.clipper_batch,
            self._head.is_traced, self.request_started_us)

    cdef int _answer_route(self) except -1:
        cdef bytes content_type, body
        cdef int status
        query = self._url.partition(b"?")[2]
        status, content_type, body = self._route.target(b"POST" if self._method == Method.Post else b"GET", query)
        return self.respond_typed(
            self._sequence, status,
            string_view(PyBytes_AS_STRING(content_type), <size_t>PyBytes_GET_SIZE(content_type)),
            string_view(PyBytes_AS_STRING(body), <size_t>PyBytes_GET_SIZE(body)), NULL)

    # -- refusals ------------------------------------------------------------------------------------------------

    cdef int _refuse_place(self, Refusal refusal) except -1:
        """Answer the request in progress with an error; the connection goes on only if its body was read past."""
        cdef bytes allow
        if self.in_message:
            return self.refuse(refusal.status, refusal.code, string_view(refusal.cause))
        allow = self._allow_line(refusal.status)
        return self.respond_error(self._sequence, refusal.status, refusal.code, string_view(refusal.cause),
                                  PyBytes_AS_STRING(allow))

    cdef int refuse(self, int status, const char* code, string_view cause) except -1:
        """Answer the request in progress, or what should have been one, with an error, and end the connection."""
        cdef ReplyTraits traits
        cdef bytes allow = self._allow_line(status)
        if not (self.in_message and self.head_done):
            traits.keep_alive = False
            traits.is_http10 = False
            traits.is_head = False
            self._sequence = self.open_place(traits)
        self.queue.close_after(self._sequence)
        self.lingers = True
        self.input_ended = True
        self.forget_input()
        return self.respond_error(self._sequence, status, code, cause, PyBytes_AS_STRING(allow))

    cdef bytes _allow_line(self, int status):
        return b"Allow: %s\r\n" % self._route.allow if status == 405 else b""

    cdef int forget_input(self) except -1:
        cdef string emptied
        self._body = None
        emptied.swap(self._joined_body)     # gives the memory back, which clear() does not
        self.server.buffered_body_bytes -= self._buffered_bytes
        self._buffered_bytes = 0
        if self.input_ended:
            self.in_message = False
            self._remainder = None
            self.has_remainder = False
        if self.transport is None:      # the parser holds methods of ours: a cycle
            self._parser = self._feed_data = self._get_method = self._should_keep_alive = None
        return 0


class HttpProtocol(BaseHttpProtocol, asyncio.Protocol):
    """The connection as asyncio knows it."""
