# cython: language_level=3, boundscheck=False, wraparound=False
"""What is decided of a request: whether its head can be served, which route it takes, and how it is answered."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memset

from clipper._core.http_request cimport make_refusal as _refusal, method_of
from clipper._core.http_server cimport HttpServer
from clipper._core.route_request cimport hand_to_route

cdef Refusal _NO_REFUSAL
memset(&_NO_REFUSAL, 0, sizeof(_NO_REFUSAL))


cdef class DecidingConnection(AnsweringConnection):

    def __init__(self, HttpServer server not None):
        AnsweringConnection.__init__(self, server)

    cdef Refusal admit(self, ReplyTraits* traits, bint* ends) except *:
        """Whether the head can be served at all; if not, the connection ends, for its framing is not to be trusted."""
        cdef bytes method = self.get_method()
        ends[0] = True
        self.method = method_of(method)
        self.route = None
        traits.keep_alive = self.should_keep_alive()
        traits.is_head = self.method == Method.Head
        traits.is_http10 = False
        # Without a Connection header llhttp keeps alive version 1.1 and later, and it knows none later.
        if not traits.keep_alive or self.head.has_connection or self.head.is_chunked:
            version = self.parser.get_http_version()
            traits.is_http10 = version == "1.0"
            if not traits.is_http10 and version != "1.1":
                return _refusal(505, b"version_not_supported", b"only HTTP/1.1 and HTTP/1.0 are spoken here")
        if self.head.refusal.status != 0:
            return self.head.refusal
        if traits.is_http10 and self.head.is_chunked:      # RFC 9112 section 6.1
            return _refusal(400, b"malformed_request", b"Transfer-Encoding does not exist in HTTP/1.0")
        # "METHOD SP url SP HTTP/1.1 CRLF", the fields, CRLF
        if <uint64_t>PyBytes_GET_SIZE(method) + <uint64_t>PyBytes_GET_SIZE(self.url) + 14 + self.head.field_bytes \
                > self.server.limit.max_header_bytes:
            return _refusal(431, b"header_too_large",
                            b"request line and header fields are longer than the limit max_header_bytes")
        if self.head.has_upgrade and self.parser.should_upgrade():
            self.replays_body = self.head.is_chunked or self.head.content_length != 0
        return _NO_REFUSAL

    cdef Refusal check_route(self, bint* ends) except *:
        """Where the request goes, and whether its body will be read. Without `ends` the body is read past first."""
        # After a refusal, whoever waits for 100 Continue may or may not send the body, and no request follows CONNECT
        # (an upgrade to llhttp): only the end is clear to both.
        ends[0] = self.head.expects_continue or (self.method == Method.Other and self.parser.should_upgrade())
        if self.head.content_length > self.server.limit.max_body_bytes:
            ends[0] = True
            return _refusal(413, b"body_too_large", b"Content-Length is beyond the limit max_body_bytes")
        self.route = self.server.routes.find(self.url)
        if self.route is None:
            if self.method == Method.Options and self.url == b"*":
                return _NO_REFUSAL
            return _refusal(404, b"not_found", b"no application and no operation has this path")
        if self.method == Method.Options:
            return _NO_REFUSAL
        if not (self.route.allows_post if self.method == Method.Post
                else self.route.allows_get and self.method != Method.Other):
            return _refusal(405, b"method_not_allowed", b"the Allow header lists the methods of this path")
        if self.route.reads_body and not self.head.has_content_length and not self.head.is_chunked:
            ends[0] = True
            return _refusal(411, b"length_required", b"this path needs a body: with Content-Length, or chunked")
        return _NO_REFUSAL

    cdef int answer_request(self) except -1:
        cdef bytes allow
        if self.refusal.status != 0:
            return self.refuse_place(self.refusal)
        if self.method == Method.Options:
            allow = b"Allow: %s\r\n" % (b"GET, HEAD, POST, OPTIONS" if self.route is None else self.route.allow)
            return self.respond_json(self.sequence, 204, NULL, 0, PyBytes_AS_STRING(allow))
        if self.route.reads_body:
            return self._answer_with_body()
        return self._answer_route()

    cdef int _answer_with_body(self) except -1:
        cdef const char* body = b""
        cdef size_t body_bytes = 0
        if self.body is not None:
            body = PyBytes_AS_STRING(self.body)
            body_bytes = <size_t>PyBytes_GET_SIZE(self.body)
        elif not self.joined_body.empty():
            body = self.joined_body.data()
            body_bytes = self.joined_body.size()
        if not self.route.is_predict:
            return hand_to_route(self, self.sequence, self.route, body, body_bytes, self.server.now_us())
        return self.server.handler.on_predict(
            self, self.sequence, self.route, body, body_bytes, self.head.is_binary, self.head.clipper_batch,
            self.head.is_traced, self.request_started_us)

    cdef int _answer_route(self) except -1:
        cdef bytes content_type, body
        cdef int status
        if self.route.gets_request:
            return hand_to_route(self, self.sequence, self.route, b"", 0, self.server.now_us())
        query = self.url.partition(b"?")[2]
        status, content_type, body = self.route.target(b"POST" if self.method == Method.Post else b"GET", query)
        return self.respond_typed(
            self.sequence, status,
            string_view(PyBytes_AS_STRING(content_type), <size_t>PyBytes_GET_SIZE(content_type)),
            string_view(PyBytes_AS_STRING(body), <size_t>PyBytes_GET_SIZE(body)), NULL)

    cdef int refuse_place(self, Refusal refusal) except -1:
        """Answer the request in progress with an error; the connection goes on only if its body was read past."""
        cdef bytes allow
        if self.in_message:
            return self.refuse(refusal.status, refusal.code, string_view(refusal.cause))
        allow = self.allow_line(refusal.status)
        return self.respond_error(self.sequence, refusal.status, refusal.code, string_view(refusal.cause),
                                  PyBytes_AS_STRING(allow))

    cdef bytes allow_line(self, int status):
        return b"Allow: %s\r\n" % self.route.allow if status == 405 else b""
