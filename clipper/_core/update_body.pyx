# cython: language_level=3, boundscheck=False, wraparound=False
"""The body of POST /<app>/update."""

import cython

from clipper._core.predict_body import BodyError


@cython.final
cdef class UpdateBody:
    pass


def parse_update_body(bytes body not None, *, uint64_t max_label_bytes=65_536, uint64_t max_depth=256):
    cdef CUpdateBody parsed
    cdef UpdateLimits limits
    cdef const char* data = body
    limits.max_label_bytes = max_label_bytes
    limits.max_depth = max_depth
    if not c_parse_update_body(data, <size_t>len(body), limits, parsed):
        code, cause = (<bytes>parsed.refusal.error_code).decode(), (<bytes>parsed.refusal.error_cause).decode("utf-8")
        raise BodyError(code, cause)
    cdef UpdateBody result = UpdateBody.__new__(UpdateBody)
    result.query_id = parsed.query_id if parsed.has_query_id else None
    result.label = parsed.label.data()[:parsed.label.size()] if parsed.has_label else None
    result.reward = parsed.reward if parsed.has_reward else None
    return result
