# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Deadlines, gather and reply (hops 9 and 10): what a query is told, and when."""

from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint8_t, uint16_t
from libcpp.string cimport string

from clipper._core.counters cimport AnswerKind, MissReason, Stage
from clipper._core.http_response cimport string_view
from clipper._core.in_flight cimport kNeverUs
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.output cimport Output
from clipper._core.plan cimport CombineRule
from clipper._core.query cimport MemberState, answer_kind, combine, count_output, is_decided
from clipper._core.query_follower cimport QueryFollower
from clipper._core.reply cimport (
    MissText, append_default, append_error, append_json_string, append_missing, append_prediction, doubt_text,
    miss_text,
)

cdef const char* RETRY_AFTER = b"Retry-After: 1\r\n"
cdef const char* NO_HEADERS = NULL


cdef class QueryGather(PredictHandler):
    cdef int leave(self, Member* member, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef int keep_task(self, uint32_t slot) except -1:
        raise NotImplementedError

    cdef bint goes_on(self, Query* query, Member* member, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef int select_waiting(self, uint64_t now_us) except -1:
        raise NotImplementedError

    cdef int wake_models(self, uint64_t now_us) except -1:
        raise NotImplementedError

    def on_timer(self):
        """The loop's callback when the deadline timer fires: answers every query that is due, from what is there."""
        cdef uint64_t now_us = self.server.turn_now_us()
        cdef Query* query
        cdef Member* member
        cdef uint16_t index
        self.timer.acknowledge()
        self.armed_us = 0
        self.select_waiting(now_us)            # what is due must have been asked
        while True:
            query = self.deadlines.pop_due(now_us)
            if query == NULL:
                break
            for index in range(query.member_count):
                member = &query.members()[index]
                if member.state == MemberState.Pending:
                    member.state = MemberState.Deadline
                    self.leave(member, now_us)
            self.finish(query, now_us)
        self.wake_models(now_us)
        self.arm()

    cdef int take_member(self, Query* query, Member* member, uint64_t now_us) except -1:
        """One of several members is in, with an output or without: answers the query if the others cannot matter."""
        cdef Plan plan = <Plan>query.plan
        if query.has_stages:
            return 0 if self.goes_on(query, member, now_us) else self.finish(query, now_us)
        if member.state == MemberState.Answered:
            count_output(plan.rule, query, member)
        if query.pending == 0:
            return self.finish(query, now_us)
        if not plan.waits_for_all and is_decided(plan.rule, query):
            self.leave_pending(query, now_us)
            return self.finish(query, now_us)
        return 0

    cdef bint take_hits(self, Query* query, uint64_t now_us) except -1:
        """The members of an ensemble have been started; tells whether those found in the cache decide the query."""
        cdef Plan plan = <Plan>query.plan
        cdef Member* members = query.members()
        cdef uint16_t index
        for index in range(query.member_count):
            if members[index].state == MemberState.Answered:
                count_output(plan.rule, query, &members[index])
        if plan.waits_for_all or not is_decided(plan.rule, query):
            return False
        self.leave_pending(query, now_us)
        return True

    cdef int leave_pending(self, Query* query, uint64_t now_us) except -1:
        """The query will not wait for its pending members; they stay Pending, which tells `answer_kind` so."""
        cdef Member* members = query.members()
        cdef uint16_t index
        for index in range(query.member_count):
            if members[index].state == MemberState.Pending:
                if query.observes_all:
                    self.keep_task(members[index].slot)
                self.leave(&members[index], now_us)
        return 0

    cdef int finish(self, Query* query, uint64_t now_us) except -1:
        """Combines what the members gave, renders the prediction, and answers the request if it was the last one."""
        cdef Request* request = query.request
        cdef Application app = <Application>request.application
        cdef Plan plan = <Plan>query.plan
        cdef Combined combined
        cdef ModelRuntime model
        cdef HttpConnection connection
        cdef int status = 200
        cdef bint is_prediction
        self.deadlines.remove(query)
        self.text.clear()
        if plan is not None:
            combined = combine(plan.rule, query)
        is_prediction = combined.output != NULL and plan.rule.is_enough(combined.confidence)
        query.shown = combined.member
        if app.learns and self.remember(query, app, plan, combined, is_prediction, now_us):
            return 0
        if is_prediction:
            self.append_answer(query, app, plan, combined)
            if now_us > query.deadline_us:
                app.stats.counters.late += 1
        else:
            status = self.append_miss(query, app, plan, combined, now_us)
        if combined.output != NULL:
            combined.output.release()
        app.stats.counters.latency_us.record(now_us - query.arrival_us)
        if query.is_traced:
            self.log.answered(query, app, is_prediction, now_us)
        if plan is not None:
            model = <ModelRuntime>plan.models[query.first_arm]
            model.counters.record_stage(Stage.Gather, now_us - min(now_us, query.last_output_us))
        if request.is_batch:
            request.parts[query.part].swap(self.text)
        Py_DECREF(plan)
        self.queries.free_query(query)
        request.pending -= 1
        if not request.is_batch:
            connection = <HttpConnection>request.connection
            connection.respond_json(request.sequence, status, self.text.data(), self.text.size(),
                                    RETRY_AFTER if status == 503 else NO_HEADERS)
        if request.pending == 0:
            if request.is_batch:
                return self.answer_request(request)
            self.release_request(request)
        return 0

    cdef bint remember(self, Query* query, Application app, Plan plan, Combined& combined, bint is_prediction,
                       uint64_t now_us) except -1:
        """Keeps what is decided for feedback; or ends a query that no client asked, and says so."""
        if query.request.follower != NULL:
            if combined.output != NULL:
                combined.output.release()
            self.end_followed(query, now_us)
            return True
        if plan is not None and app.decisions is not None:
            self.decisions.record(query, app.decisions, plan, is_prediction, now_us)
        return False

    cdef int end_followed(self, Query* query, uint64_t now_us) except -1:
        cdef Request* request = query.request
        cdef Application app = <Application>request.application
        cdef QueryFollower follower = <QueryFollower>request.follower
        cdef Plan plan = <Plan>query.plan
        follower.query_done(query, now_us)
        self.queries.free_query(query)
        self.queries.free_request(request)
        Py_DECREF(plan)
        Py_DECREF(app)
        Py_DECREF(follower)
        return 0

    cdef int append_answer(self, Query* query, Application app, Plan plan, Combined& combined) except -1:
        cdef bytes label
        cdef AnswerKind kind = AnswerKind.Complete
        if plan.is_arms:
            label = (<ModelRuntime>plan.models[query.first_arm]).label
        else:
            label = plan.members_label
            if plan.rule.combine == CombineRule.Cascade:
                label = (<ModelRuntime>plan.models[query.shown]).label
            kind = answer_kind(plan.rule, query)
        app.stats.counters.count_prediction(kind)
        append_prediction(self.text, query.query_id, combined.output, label, combined.confidence)
        if kind != AnswerKind.Complete:
            self.append_missing_members(query, plan)
        return 0

    cdef int append_missing_members(self, Query* query, Plan plan) except -1:
        cdef Member* members = query.members()
        cdef ModelRuntime model
        cdef uint16_t index
        self.missing.clear()
        for index in range(query.member_count):
            if members[index].state != MemberState.Answered:
                model = <ModelRuntime>plan.models[index]
                model.counters.missing += 1
                self.missing.push_back(string_view(<const char*>model.label, len(model.label)))
        if not self.missing.empty():           # a stage that was never asked is not missed
            append_missing(self.text, self.missing)
        return 0

    cdef int append_miss(self, Query* query, Application app, Plan plan, Combined& combined, uint64_t now_us) except -1:
        """Renders the default output, or the error that the application chose; returns the HTTP status."""
        cdef MemberState worst = MemberState.NoReplica if query.member_count == 0 else MemberState.Pending
        cdef Output* cause = NULL
        cdef Member* members = query.members()
        cdef uint16_t index
        cdef bint is_too_late = False
        cdef MissText told
        cdef string doubt
        for index in range(query.member_count):
            if members[index].state > worst:
                worst = members[index].state
                is_too_late = members[index].is_too_late
                cause = members[index].output if worst == MemberState.Failed else NULL
        if combined.failure != NULL:
            worst = MemberState.Failed
        elif combined.output != NULL:
            worst = MemberState.Unsure
            cause = NULL
        self.log.miss(query, app, worst, is_too_late, combined.failure, cause, now_us)
        told = miss_text(worst, is_too_late)
        if combined.failure != NULL:
            told.explanation = string_view(combined.failure)
        elif combined.output != NULL:
            doubt = doubt_text(combined.confidence, plan.rule.min_confidence)
            told.explanation = string_view(doubt.data(), doubt.size())
        # MissReason counts the same reasons from zero; MemberState has the two states that are no miss before them.
        if app.answers_errors:
            app.stats.counters.count_error(<MissReason><uint8_t>(<uint8_t>worst - 2))
            append_error(self.text, query.query_id, query.request.is_batch, told.code, told.explanation, cause)
            return told.http_status
        app.stats.counters.count_default(<MissReason><uint8_t>(<uint8_t>worst - 2))
        append_default(self.text, query.query_id, string_view(<const char*>app.default_output, len(app.default_output)),
                       told.explanation, cause)
        return 200

    cdef int answer_request(self, Request* request) except -1:
        """Answers a batch request: the rendered predictions in input order."""
        cdef size_t part
        self.text.clear()
        self.text.append(b'{"batch_predictions":[')
        for part in range(request.parts.size()):
            if part > 0:
                self.text.append(b",")
            self.text.append(request.parts[part])
        self.text.append(b"]}")
        connection = <HttpConnection>request.connection
        connection.respond_json(request.sequence, 200, self.text.data(), self.text.size(), NO_HEADERS)
        return self.release_request(request)

    cdef int release_request(self, Request* request) except -1:
        connection = <HttpConnection>request.connection
        app = <Application>request.application
        Py_DECREF(connection)
        Py_DECREF(app)
        self.queries.free_request(request)
        return 0

    cdef int refuse(self, HttpConnection connection, uint64_t sequence, int status, const char* code,
                    bytes cause) except -1:
        """Answers a request that never became a query."""
        self.text.clear()
        self.text.append(b'{"error":"')
        self.text.append(code)
        self.text.append(b'","cause":')
        append_json_string(self.text, <const char*>cause, len(cause))
        self.text.push_back(c'}')
        return connection.respond_json(sequence, status, self.text.data(), self.text.size(), NULL)

    cdef int arm(self) except -1:
        """Asks the deadline timer for the earliest deadline or wish, if it does not fire by then already."""
        cdef uint64_t next_us = min(self.wake_us, self.deadlines.next_us())     # each 2**64-1 if there is none
        if next_us == kNeverUs:
            return 0
        if self.armed_us == 0 or next_us < self.armed_us:
            self.armed_us = next_us
            self.timer.arm(next_us)
        return 0

    @property
    def live_queries(self):
        """Queries that are not answered yet."""
        return self.queries.live_queries()
