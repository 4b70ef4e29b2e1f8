# Hop 1, the side that reads: bytes -> httptools callbacks -> a whole request, handed to the handler or to a route.
from libc.stdint cimport uint64_t
from libcpp.string cimport string

from clipper._core.http_connection cimport AnsweringConnection
from clipper._core.http_request cimport Method, Refusal, RequestHead
from clipper._core.http_response cimport ReplyTraits, string_view
from clipper._core.route_table cimport Route


cdef extern from "head_scan.hpp" namespace "clipper" nogil:
    size_t head_bytes(const char* data, size_t bytes) noexcept
    bint has_one_head(const char* data, size_t bytes) noexcept


cdef class BaseHttpProtocol(AnsweringConnection):
    # -- for life
    cdef object _parser                 # httptools.HttpRequestParser
    cdef object _feed_data              # its methods, bound once: looking them up costs as much as calling them
    cdef object _get_method
    cdef object _should_keep_alive
    # -- what was read and not parsed, because answers pile up
    cdef bytes _remainder
    cdef Py_ssize_t _remainder_offset
    # -- the request in progress
    cdef bytes _url                     # as in the request line
    cdef RequestHead _head
    cdef Method _method
    cdef Route _route
    cdef uint64_t _sequence             # its place among the connection's answers; from the end of its head on
    cdef Refusal _refusal               # to be said when the body has been read past; status 0: none
    cdef uint64_t _message_bytes        # of it so far, as received; 0 counted of a read that began before it
    cdef uint64_t _body_bytes           # of it so far, decoded
    cdef bint _keeps_body               # else the body is read past
    cdef bytes _body                    # the first piece, as the parser gave it
    cdef string _joined_body            # all pieces, if there are several
    cdef uint64_t _buffered_bytes       # what server.buffered_body_bytes counts of this connection
    cdef bint _replays_body             # an Upgrade was ignored: the parser skipped the body, a second one reads it
    cdef bint _replays_head             # that second one is being told the head

    cdef int _new_parser(self) except -1
    cdef int _feed(self, object data, uint64_t data_bytes) except -1
    cdef int _feed_stepwise(self, bytes data, Py_ssize_t offset) except -1
    cdef Py_ssize_t _step_bytes(self, const char* data, Py_ssize_t rest_bytes) noexcept
    cdef object _after_upgrade(self, object data, Py_ssize_t offset)
    cdef int _check_progress(self) except -1
    cdef Refusal _admit(self, ReplyTraits* traits, bint* ends) except *
    cdef Refusal _check_route(self, bint* ends) except *
    cdef int _answer(self) except -1
    cdef int _answer_with_body(self) except -1
    cdef int _answer_route(self) except -1
    cdef int _refuse_place(self, Refusal refusal) except -1
    cdef bytes _allow_line(self, int status)
