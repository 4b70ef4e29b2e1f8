# Hop 2 of a query: the body of POST /<app>/predict -> typed inputs in one contiguous buffer.
# The C++ declarations are for the data path; Python sees them only through the wrapper in predict_body.pyx.
# What is refused with which code stands at the top of predict_body.hpp.
from libc.stdint cimport uint64_t
from libcpp cimport bool
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.input_spec cimport InputSpec


cdef extern from "predict_body.hpp" namespace "clipper" nogil:
    cdef cppclass BodyLimits:
        uint64_t max_items
        uint64_t max_depth
        uint64_t max_string_bytes
        uint64_t max_label_bytes

    cdef cppclass ParsedBody:                 # reused: valid until the next parse into it, or the body's end
        const char* inputs                    # every input, typed, native little-endian; perhaps in the body itself
        vector[uint64_t] offsets              # input_count() + 1 byte offsets into them
        bool is_batch
        bool has_version
        bool has_context
        string version                        # UTF-8
        string context                        # UTF-8
        uint64_t slo_us                       # 0 = absent
        const char* error_code                # NULL = no error; static text
        string error_cause
        void clear() noexcept
        size_t input_count() noexcept

    # Both return false with error_code and error_cause set; neither throws.
    bool c_parse_json_body "clipper::parse_json_body" (
        const char* p, size_t n, const InputSpec& spec, const BodyLimits& limits, ParsedBody& out) noexcept
    bool c_parse_binary_body "clipper::parse_binary_body" (
        const char* p, size_t n, const InputSpec& spec, const BodyLimits& limits, uint64_t clipper_batch,
        ParsedBody& out) noexcept
    bool c_validate_json "clipper::validate_json" (const char* p, size_t n) noexcept


cdef class Body:
    cdef readonly bytes data
    cdef readonly list offsets
    cdef readonly bint is_batch
    cdef readonly object version
    cdef readonly object context
    cdef readonly object slo_us
