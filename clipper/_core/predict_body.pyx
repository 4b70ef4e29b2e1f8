# cython: language_level=3, boundscheck=False, wraparound=False
"""The body parser for Python: what the tests compare with their twin. The data path uses the C++ functions."""

from clipper._core.input_spec cimport make_input_spec
from clipper.errors import CallerError

class BodyError(CallerError):
    def __init__(self, code, cause):
        super().__init__(cause)
        self.code = code
        self.cause = cause


cdef class Body:
    pass


cdef BodyLimits _make_limits(
    uint64_t max_items, uint64_t max_depth, uint64_t max_string_bytes, uint64_t max_label_bytes,
) noexcept:
    cdef BodyLimits limits
    limits.max_items = max_items
    limits.max_depth = max_depth
    limits.max_string_bytes = max_string_bytes
    limits.max_label_bytes = max_label_bytes
    return limits


cdef Body _take(bool accepted, ParsedBody& parsed):
    if not accepted:
        raise BodyError((<bytes>parsed.error_code).decode(), (<bytes>parsed.error_cause).decode("utf-8"))
    cdef Body body = Body.__new__(Body)
    body.data = parsed.inputs[:parsed.offsets.back()] if parsed.offsets.back() else b""
    body.offsets = parsed.offsets
    body.is_batch = parsed.is_batch
    body.version = (<bytes>parsed.version).decode("utf-8") if parsed.has_version else None
    body.context = (<bytes>parsed.context).decode("utf-8") if parsed.has_context else None
    body.slo_us = parsed.slo_us if parsed.slo_us else None
    return body


def parse_json_body(
    bytes body not None, str input_type not None, dtype=None, shape=None, *, uint64_t max_items=4096,
    uint64_t max_depth=256, uint64_t max_string_bytes=16 << 20, uint64_t max_label_bytes=1024,
):
    cdef InputSpec spec = make_input_spec(input_type, dtype, shape)
    cdef BodyLimits limits = _make_limits(max_items, max_depth, max_string_bytes, max_label_bytes)
    cdef ParsedBody parsed
    cdef const char* data = body
    cdef size_t data_bytes = len(body)
    cdef bool accepted
    with nogil:
        accepted = c_parse_json_body(data, data_bytes, spec, limits, parsed)
    return _take(accepted, parsed)


def parse_binary_body(
    bytes body not None, str input_type not None, dtype=None, shape=None, *, uint64_t clipper_batch=0,
    uint64_t max_items=4096,
):
    cdef InputSpec spec = make_input_spec(input_type, dtype, shape)
    cdef BodyLimits limits
    limits.max_items = max_items
    cdef ParsedBody parsed
    cdef const char* data = body
    cdef bool accepted = c_parse_binary_body(data, len(body), spec, limits, clipper_batch, parsed)
    return _take(accepted, parsed)


def validate_json(bytes text not None):
    cdef const char* data = text
    return c_validate_json(data, len(text))
