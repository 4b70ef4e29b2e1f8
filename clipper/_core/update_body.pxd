# Hop 2 of feedback: the body of POST /<app>/update. What is refused with which code stands in update_body.hpp.
from libc.stdint cimport uint64_t
from libcpp cimport bool as cbool

from clipper._core.http_response cimport string_view
from clipper._core.predict_body cimport ParsedBody

cdef extern from "update_body.hpp" namespace "clipper" nogil:
    cppclass UpdateLimits:
        uint64_t max_depth
        uint64_t max_label_bytes

    cppclass CUpdateBody "clipper::UpdateBody":
        cbool has_query_id
        cbool has_input
        cbool has_label
        cbool has_reward
        uint64_t query_id
        double reward
        string_view label
        ParsedBody refusal

    cbool c_parse_update_body "clipper::parse_update_body" (
        const char* p, size_t n, const UpdateLimits& limits, CUpdateBody& out) noexcept


cdef class UpdateBody:
    cdef readonly object query_id
    cdef readonly object label
    cdef readonly object reward
