# cython: language_level=3
"""Decisions recorded from Python: what the tests hold the decision log against an obvious twin with."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport malloc

from clipper._core.decision_log cimport DecisionLog
from clipper._core.decision_stream cimport DecisionStream
from clipper._core.output cimport Output
from clipper._core.plan cimport Plan
from clipper._core.query cimport Member, MemberState, Query, QueryPool, Request

cdef QueryPool _pool


cdef int say(Member* member, bytes output) except -1:
    if output is None:
        member.state = MemberState.Deadline
        return 0
    member.state = MemberState.Answered
    member.output = Output.create(output, <uint32_t>len(output))
    return 0


def record(DecisionLog log not None, DecisionStream stream not None, Plan plan not None, uint64_t query_id, *, outputs,
           shadows=(), uint16_t first_arm=0, double propensity=1.0, uint16_t shown=0, bytes context=None, features=(),
           bint is_answered=True, uint64_t now_us):
    cdef uint16_t members = <uint16_t>len(outputs)
    cdef Query* query = _pool.new_query(members, members, <uint16_t>len(shadows))
    cdef Request* request = _pool.new_request()
    try:
        query.request = request
        query.query_id = query_id
        query.first_arm = first_arm
        query.propensity = propensity
        query.shown = shown
        if context is not None:
            request.has_context = True
            request.context = context
        if features:
            query.features = <double*>malloc(len(features) * sizeof(double))
            query.feature_count = <uint32_t>len(features)
            for index, value in enumerate(features):
                query.features[<uint32_t>index] = value
        for index, output in enumerate(outputs):
            say(&query.members()[<uint32_t>index], output)
        for index, output in enumerate(shadows):
            say(&query.shadows()[<uint32_t>index], output)
        log.record(query, stream, plan, is_answered, now_us)
    finally:
        _pool.free_query(query)
        _pool.free_request(request)
