# cython: language_level=3
"""Gather and reply, driven from Python: what the tests hold against obvious twins."""

from libc.stdint cimport uint16_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.counters import ANSWER_KINDS as _ANSWER_KINDS
from clipper._core.http_response cimport string_view
from clipper._core.input_spec cimport DType, InputSpec, dtype_bytes, make_input_spec
from clipper._core.output cimport Output
from clipper._core.plan cimport CombineRule, GatherRule
from clipper._core.query cimport (
    Combined, Member, MemberState, Query, QueryPool, answer_kind, combine, count_output, is_decided, passes_on,
)
from clipper._core.reply cimport (
    MissText, append_default, append_error, append_missing, append_prediction, miss_text,
)

cdef extern from "cascade.hpp" namespace "clipper" nogil:
    double output_confidence(const Output*) noexcept

cdef extern from "features.hpp" namespace "clipper" nogil:
    bint read_features(const char* data, size_t count, DType dtype, double* row) noexcept

cdef dict RULES = {
    "single": CombineRule.Single, "majority": CombineRule.Majority, "mean": CombineRule.Mean,
    "weighted": CombineRule.Weighted, "cascade": CombineRule.Cascade,
}
cdef dict MISSES = {
    "deadline": MemberState.Deadline, "refused": MemberState.Refused, "unavailable": MemberState.NoReplica,
    "model_error": MemberState.Failed,
}
cdef dict TEXTS = MISSES | {"low_confidence": MemberState.Unsure}


cdef Output* new_output(bytes text) except NULL:
    return Output.create(text, <unsigned int>len(text))


cdef class GatherProbe:
    """The members of one query, all of them pending at first."""

    cdef QueryPool pool
    cdef Query* query
    cdef GatherRule rule

    def __init__(self, str rule, uint16_t member_count, *, weights=None, thresholds=(), double min_confidence=0.0):
        self.rule.combine = <CombineRule><unsigned char>RULES[rule]
        self.rule.min_confidence = min_confidence
        if weights is not None:
            self.rule.set_weights(weights)
        self.rule.thresholds = thresholds
        self.query = self.pool.new_query(1 if rule == "cascade" else member_count, member_count, 0)

    def __dealloc__(self):
        if self.query != NULL:
            self.pool.free_query(self.query)

    cdef Member* pending(self, int index) except NULL:
        if not 0 <= index < self.query.member_count:
            raise IndexError(f"member {index} of {self.query.member_count}")
        if self.query.members()[index].state != MemberState.Pending:
            raise ValueError(f"member {index} is in already")
        return &self.query.members()[index]

    def answer(self, int index, bytes output) -> None:
        cdef Member* member = self.pending(index)
        member.output = new_output(output)
        member.state = MemberState.Answered
        count_output(self.rule, self.query, member)

    def miss(self, int index, str reason) -> None:
        self.pending(index).state = <MemberState><unsigned char>MISSES[reason]

    def is_decided(self) -> bool:
        return is_decided(self.rule, self.query)

    def passes_on(self) -> bool:
        return passes_on(self.rule, self.query, self.query.member_count - 1)

    def ask_next(self) -> None:
        if self.query.member_count == self.query.member_room:
            raise IndexError("the last stage has been asked")
        self.query.member_count += 1

    def shares(self) -> list:
        return self.rule.shares

    def kind(self) -> str:
        return _ANSWER_KINDS[<unsigned char>answer_kind(self.rule, self.query)]

    def combine(self) -> tuple:
        cdef Combined combined = combine(self.rule, self.query)
        output = None
        if combined.output != NULL:
            output = combined.output.text[:combined.output.bytes]
            combined.output.release()
            if not self.rule.is_enough(combined.confidence):
                output = None
        failure = None if combined.failure == NULL else (<bytes>combined.failure).decode()
        return output, combined.confidence, failure


def render_prediction(unsigned long long query_id, bytes output, bytes label, double confidence, missing=()) -> bytes:
    cdef string text
    cdef vector[string_view] labels
    cdef bytes one
    cdef Output* held = new_output(output)
    append_prediction(text, query_id, held, string_view(<const char*>label, len(label)), confidence)
    held.release()
    for one in missing:
        labels.push_back(string_view(<const char*>one, len(one)))
    if labels.size() > 0:
        append_missing(text, labels)
    return text


def render_default(unsigned long long query_id, bytes output, bytes explanation, cause=None) -> bytes:
    cdef string text
    cdef Output* held = NULL
    if cause is not None:
        held = new_output(cause)
    append_default(text, query_id, string_view(<const char*>output, len(output)),
                   string_view(<const char*>explanation, len(explanation)), held)
    if held != NULL:
        held.release()
    return text


def render_error(unsigned long long query_id, bint in_batch, bytes code, bytes cause, detail=None) -> bytes:
    cdef string text
    cdef Output* held = NULL
    if detail is not None:
        held = new_output(detail)
    append_error(text, query_id, in_batch, string_view(<const char*>code, len(code)),
                 string_view(<const char*>cause, len(cause)), held)
    if held != NULL:
        held.release()
    return text


def text_of_miss(str reason, bint is_too_late=False) -> tuple:
    cdef MissText told = miss_text(<MemberState><unsigned char>TEXTS[reason], is_too_late)
    return told.http_status, told.code.data()[:told.code.size()], told.explanation.data()[:told.explanation.size()]


def confidence_of(bytes output):
    cdef Output* held = new_output(output)
    cdef double confidence = output_confidence(held)
    held.release()
    return None if confidence < 0.0 else confidence


def features_of(bytes data, str dtype):
    cdef InputSpec spec = make_input_spec("tensor", dtype, (1,))
    cdef size_t count = len(data) // dtype_bytes(spec.dtype)
    cdef vector[double] row
    row.resize(count)
    if not read_features(data, count, spec.dtype, row.data()):
        return None
    return row
