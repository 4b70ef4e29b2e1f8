# Hop 1, the side that reads: bytes -> httptools callbacks -> a whole request, handed to the handler or to a route.
from libc.stdint cimport uint64_t
from libcpp.string cimport string

from clipper._core.http_decisions cimport DecidingConnection
from clipper._core.http_request cimport Method, Refusal
from clipper._core.http_response cimport ReplyTraits, string_view


cdef extern from "head_scan.hpp" namespace "clipper" nogil:
    size_t head_bytes(const char* data, size_t bytes) noexcept
    bint has_one_head(const char* data, size_t bytes) noexcept


cdef class BaseHttpProtocol(DecidingConnection):
    # -- for life
    cdef object _feed_data              # of the parser, bound once
    # -- what was read and not parsed, because answers pile up
    cdef bytes _remainder
    cdef Py_ssize_t _remainder_offset
    # -- the request in progress
    cdef uint64_t _message_bytes        # of it so far, as received; 0 counted of a read that began before it
    cdef uint64_t _body_bytes           # of it so far, decoded
    cdef bint _keeps_body               # else the body is read past
    cdef bint _is_direct                # what comes is the body's, and the parser does not see it
    cdef uint64_t _buffered_bytes       # what server.buffered_body_bytes counts of this connection
    cdef bint _replays_head             # the second parser, after an Upgrade, is being told the head

    cdef int _new_parser(self) except -1
    cdef int _feed(self, object data, uint64_t data_bytes) except -1
    cdef int _feed_stepwise(self, bytes data, Py_ssize_t offset) except -1
    cdef bint _begins_direct_body(self) except -1
    cdef int _take_body(self, const char* data, uint64_t data_bytes) except -1
    cdef Py_ssize_t _step_bytes(self, const char* data, Py_ssize_t rest_bytes) noexcept
    cdef object _after_upgrade(self, object data, Py_ssize_t offset)
    cdef int _check_progress(self) except -1
    cdef int _join_body(self) except -1
