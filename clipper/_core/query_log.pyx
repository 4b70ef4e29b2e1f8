# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What is said of single queries: those that were missed, a few a second, and those that asked to be traced.

A query that is answered in time and carries no Clipper-Trace header never comes here. Batches are named by the id that
stands on the wire, which the container's log has too.
"""

import json
import logging

import cython

from clipper._core.reply cimport MissText, miss_text

_queries = logging.getLogger("clipper.query")
_traces = logging.getLogger("clipper.trace")

DEFAULT_MISSES_PER_SECOND = 5
DEFAULT_TRACES_PER_SECOND = 10
MAX_CAUSE_CHARACTERS = 300              # of a model's own words; its container's log has all of them

# By MemberState: the reasons of clipper.metrics.names.REASONS behind the two states that are no miss.
cdef tuple REASONS = ("pending", "answered", "deadline", "refused", "unavailable", "model_error", "low_confidence")


cdef bint is_in(uint32_t slot, vector[uint32_t]& slots) noexcept:
    cdef uint32_t other
    for other in slots:
        if other == slot:
            return True
    return False


cdef dict batch_fields(Replica replica, uint64_t batch_id):
    return {"batch_id": batch_id, "replica_id": replica.replica_id}


cdef dict holder_fields(ModelRuntime model, uint32_t slot):
    """The batch that has the task, and whose it is; nothing if it is still queued."""
    cdef Replica replica
    cdef size_t position
    for replica in model.replicas:
        for position in range(replica.in_flight.size()):
            if is_in(slot, replica.in_flight.at(position).slots):
                return batch_fields(replica, replica.in_flight.at(position).id)
    return {}


@cython.final
cdef class QueryLog:
    def __cinit__(self):
        self.misses_per_second = DEFAULT_MISSES_PER_SECOND
        self.traces_per_second = DEFAULT_TRACES_PER_SECOND
        self.stages = {}

    @property
    def traced_queries(self):
        return self.live

    # -- misses ------------------------------------------------------------------------------------------------------

    cdef int miss(self, Query* query, Application app, MemberState worst, bint is_too_late, const char* failure,
                  Output* cause, uint64_t now_us) except -1:
        """A query gets no prediction: say so, unless enough was said of such queries in this second."""
        cdef RateWindow* window = &app.stats.miss_windows[<uint8_t>worst - 2]
        cdef MissText told
        cdef uint64_t suppressed
        if worst == MemberState.Unsure:        # as the application asked for; counted, and no news
            return 0
        if not window.admits(now_us, self.misses_per_second) and not query.is_traced:
            return 0
        told = miss_text(worst, is_too_late)
        text = failure.decode() if failure != NULL else told.explanation.data()[:told.explanation.size()].decode()
        fields = {"query_id": query.query_id, "application": app.name, "reason": REASONS[<uint8_t>worst]}
        fields |= self.miss_place(query, worst)
        fields["elapsed_us"] = now_us - query.arrival_us
        if cause != NULL and cause.bytes > 2:
            fields["cause"] = str(json.loads(cause.text[:cause.bytes]))[:MAX_CAUSE_CHARACTERS]
        suppressed = window.take_suppressed()
        if suppressed:
            fields["suppressed"] = suppressed
        answer = "an error" if app.answers_errors else "the default output"
        _queries.warning("a query got %s: %s", answer, text, extra=fields)
        return 0

    cdef dict miss_place(self, Query* query, MemberState worst):
        """Which model let the query down, and which batch it was in, as far as that can be told."""
        cdef Plan plan = <Plan>query.plan
        cdef ModelRuntime model
        cdef Member* member
        cdef uint32_t index
        for index in range(query.member_count):
            member = &query.members()[index]
            if member.state != worst:
                continue
            model = <ModelRuntime>plan.models[query.first_arm + index]
            fields = {"model": model.label.decode()}
            if self.ending is not None and self.ending.model is model:
                # Of an ensemble an earlier member may be the one that failed, in a batch long forgotten.
                return fields | (batch_fields(self.ending, self.ending_batch_id) if query.member_count == 1 else {})
            return fields | holder_fields(model, member.slot) if worst == MemberState.Deadline else fields
        return {}

    # -- traces ------------------------------------------------------------------------------------------------------

    cdef bint admits_trace(self, Application app, uint64_t now_us) except -1:
        if not _traces.isEnabledFor(logging.INFO):
            return False
        if self.trace_window.admits(now_us, self.traces_per_second):
            suppressed = self.trace_window.take_suppressed()
            if suppressed:
                _traces.info("%d queries were not traced: traces_per_second is %d", suppressed, self.traces_per_second)
            return True
        return False

    cdef int begin(self, Query* query, Application app, uint64_t input_bytes) except -1:
        query.is_traced = True
        self.live += 1
        self.stages[query.query_id] = {}
        _traces.info("arrived", extra={"query_id": query.query_id, "application": app.name, "input_bytes": input_bytes,
                                       "slo_us": query.deadline_us - query.arrival_us})
        return 0

    cdef int started(self, Query* query, Member* member, ModelRuntime model, bint joined) except -1:
        """What became of a member before the turn's end."""
        fields = {"query_id": query.query_id, "model": model.label.decode()}
        if member.state == MemberState.Answered:
            _traces.info("found in the cache", extra=fields)
        elif member.state != MemberState.Pending:
            _traces.info("not queued", extra=fields | {"reason": REASONS[<uint8_t>member.state]})
        elif joined:
            fields |= holder_fields(model, member.slot)
            _traces.info("joined the evaluation of an equal input", extra=fields)
        else:
            _traces.info("queued", extra=fields | {"queue_depth": model.queue.depth()})
        return 0

    cdef int sent(self, Replica replica, InFlightBatch* batch, vector[TaskRecord]& tasks, uint64_t now_us) except -1:
        """A batch was handed to the RPC; some of its tasks may be traced queries'."""
        cdef uint32_t slot
        cdef uint64_t pushed_us
        cdef Member* member
        for slot in batch.slots:
            pushed_us = tasks[slot].pushed_us
            member = tasks[slot].waiters
            while member != NULL:
                if member.query.is_traced:
                    stages = {"queue_us": now_us - max(pushed_us, member.query.arrival_us)}
                    if pushed_us >= member.query.arrival_us:
                        stages = {"parse_us": pushed_us - member.query.arrival_us} | stages
                    self.tell(member.query, "sent", replica, batch, stages, {"batch_size": batch.slots.size()})
                member = member.next
        return 0

    cdef int result(self, Replica replica, InFlightBatch* batch, vector[TaskRecord]& tasks, uint64_t compute_us,
                    uint64_t now_us) except -1:
        """A batch came back, whether it was evaluated or failed."""
        cdef uint32_t slot
        cdef uint64_t duration_us = now_us - batch.sent_us
        cdef Member* member
        for slot in batch.slots:
            member = tasks[slot].waiters
            while member != NULL:
                if member.query.is_traced:
                    rpc_us = duration_us - compute_us if duration_us > compute_us else 0
                    stages = {"rpc_us": rpc_us, "compute_us": compute_us}
                    self.tell(member.query, "evaluated", replica, batch, stages, {})
                member = member.next
        return 0

    cdef int tell(self, Query* query, str what, Replica replica, InFlightBatch* batch, dict stages,
                  dict fields) except -1:
        self.stages[query.query_id] |= stages
        fields = {"query_id": query.query_id, "model": (<ModelRuntime>replica.model).label.decode(),
                  **batch_fields(replica, batch.id), **fields, **stages}
        _traces.info(what, extra=fields)
        return 0

    cdef dict missing_fields(self, Query* query):
        """Which models of an ensemble the answer goes without."""
        cdef Plan plan = <Plan>query.plan
        cdef uint32_t index
        missing = [
            (<ModelRuntime>plan.models[query.first_arm + index]).label.decode()
            for index in range(query.member_count) if query.members()[index].state != MemberState.Answered
        ]
        return {"missing": ",".join(missing)} if missing else {}

    cdef int answered(self, Query* query, Application app, bint is_prediction, uint64_t now_us) except -1:
        self.live -= 1
        stages = self.stages.pop(query.query_id)
        if is_prediction:
            stages |= self.missing_fields(query)
            stages["gather_us"] = now_us - min(now_us, query.last_output_us)
        stages["total_us"] = now_us - query.arrival_us
        outcome = "prediction" if is_prediction else "error" if app.answers_errors else "default"
        _traces.info("answered", extra={"query_id": query.query_id, "application": app.name, "outcome": outcome,
                                        **stages})
        return 0
