# cython: language_level=3, boundscheck=False, wraparound=False
"""All models are asked for one input, through the prediction cache: what feedback by input needs."""

import logging

import cython
from cpython.ref cimport Py_INCREF

from clipper._core.application cimport Application
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.output cimport Output
from clipper._core.predict_body cimport ParsedBody, c_parse_json_body
from clipper._core.query cimport MemberState, Request
from clipper._core.query_processor cimport QueryProcessor

from clipper._core.predict_body import BodyError

cdef extern from "decision_text.hpp" namespace "clipper" nogil:
    void append_on_one_line(string&, const Output*) except +

_log = logging.getLogger("clipper.feedback")


@cython.final
cdef class Evaluation(QueryFollower):
    cdef int query_done(self, Query* query, uint64_t now_us) except -1:
        cdef uint16_t index
        cdef uint64_t outputs = 0
        self.text.append(b"[")
        for index in range(query.member_count):
            if query.members()[index].state == MemberState.Answered:
                outputs += 1
                self.append_arm(query, index)
            else:
                self.missing.append((<ModelRuntime>self.plan.models[index]).label)
        self.text.append(b"]")
        self.arms = <bytes>self.text
        self.evaluated = outputs - self.cached
        try:
            self.done(self)
        except Exception:
            _log.exception("feedback by input was not taken")
        self.done = None
        return 0

    cdef int append_arm(self, Query* query, uint16_t index) except -1:
        cdef bytes label = (<ModelRuntime>self.plan.models[index]).label
        if self.text.size() > 1:
            self.text.append(b",")
        self.text.append(b'{"arm":"')
        self.text.append(<const char*>label, <size_t>len(label))
        self.text.append(b'","output":')
        append_on_one_line(self.text, query.members()[index].output)
        self.text.append(b',"propensity":1.0,"shown":false}')
        return 0


def evaluate(QueryProcessor processor not None, Application application not None, bytes body not None,
             uint64_t limit_us, uint64_t now_us, done not None):
    cdef ParsedBody parsed
    cdef const char* data = body
    cdef Evaluation evaluation = Evaluation.__new__(Evaluation)
    cdef Plan plan = application.arms_plan
    cdef Request* request
    cdef Query* query
    cdef uint16_t index
    if not c_parse_json_body(data, <size_t>len(body), application.input_spec, application.body_limits, parsed):
        raise BodyError((<bytes>parsed.error_code).decode(), (<bytes>parsed.error_cause).decode("utf-8"))
    evaluation.done = done
    evaluation.plan = plan
    evaluation.missing = []
    evaluation.context = (<bytes>parsed.context).decode("utf-8") if parsed.has_context else None
    if plan is None:
        evaluation.arms = b"[]"
        done(evaluation)
        return
    query = processor.queries.new_query(plan.member_count)
    request = processor.queries.new_request()
    request.connection = NULL
    request.application = <void*>application
    request.follower = <void*>evaluation
    request.is_batch = False
    request.pending = 1
    query.request = request
    query.arrival_us = query.last_output_us = now_us
    query.deadline_us = query.fire_us = now_us + limit_us
    query.plan = <void*>plan
    Py_INCREF(application)
    Py_INCREF(evaluation)
    Py_INCREF(plan)
    query.pending = plan.member_count + 1      # one more than it has: nothing is answered before all have been started
    for index in range(plan.member_count):
        processor.start_member(application, <ModelRuntime>plan.models[index], query, &query.members()[index],
                               parsed.inputs, parsed.offsets[1], limit_us, now_us)
        evaluation.cached += query.members()[index].state == MemberState.Answered
    query.pending -= 1
    if query.pending == 0:
        processor.finish(query, now_us)
    else:
        processor.deadlines.insert(query, query.fire_us)
        processor.arm()
