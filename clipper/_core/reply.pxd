# Hop 10: the JSON of one prediction.
from libc.stdint cimport uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.http_response cimport string_view
from clipper._core.output cimport Output
from clipper._core.query cimport MemberState

cdef extern from "reply.hpp" namespace "clipper" nogil:
    cppclass MissText:
        int http_status
        string_view code
        string_view explanation
    MissText miss_text(MemberState, bint is_too_late)
    string doubt_text(double confidence, double min_confidence) except +
    void append_prediction(string&, uint64_t, const Output*, string_view, double) except +
    void append_missing(string&, const vector[string_view]&) except +
    void append_default(string&, uint64_t, string_view, string_view, const Output*) except +
    void append_error(string&, uint64_t, bint, string_view, string_view, const Output*) except +

cdef extern from "json_write.hpp" namespace "clipper" nogil:
    void append_json_string(string&, const char*, size_t) except +
