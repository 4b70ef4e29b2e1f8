# cython: language_level=3, boundscheck=False, wraparound=False
"""What was decided lately, until somebody says how good that was."""

import cython
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stddef cimport size_t
from libcpp.vector cimport vector

from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.plan cimport CombineRule
from clipper._core.query cimport MemberState
from clipper._core.reply cimport append_json_string

cdef extern from "decision_text.hpp" namespace "clipper" nogil:
    void append_double(string&, double) except +
    void append_doubles(string&, const double*, size_t) except +
    void append_on_one_line(string&, const Output*) except +

cdef extern from "reply.hpp" namespace "clipper" nogil:
    void append_integer(string&, uint64_t) except +

cdef extern from "prediction_cache.hpp" namespace "clipper" nogil:
    uint64_t output_bytes "clipper::PredictionCache::output_bytes"(const Output*) noexcept


cdef void release_plan(void* plan) noexcept:
    Py_DECREF(<object>plan)


cdef bint is_observed(Member* member) noexcept:
    return member.state == MemberState.Answered and member.output != NULL and member.output.bytes <= kMaxOutputBytes


cdef ModelRuntime model_at(Plan plan, uint16_t place):
    cdef Py_ssize_t count = len(plan.models)
    return <ModelRuntime>(plan.models[place] if place < count else plan.shadows[place - count])


@cython.final
cdef class DecisionLog:
    def __cinit__(self, uint64_t budget_bytes, PredictionCacheHandle cache not None, *, uint64_t random_seed=1):
        self.log = new CDecisionLog(budget_bytes, release_plan)
        self.budget_bytes = budget_bytes
        self.cache = cache
        self.random_state = random_seed | 1

    def __dealloc__(self):
        del self.log

    # -- the query path ----------------------------------------------------------------------------------------------

    cdef int record(self, Query* query, DecisionStream stream, Plan plan, bint is_answered,
                    uint64_t now_us) except -1:
        """Remembers what a query that is being answered was given to. The models' places are those in the plan."""
        cdef uint16_t index, asked = query.member_count, first = query.first_arm
        cdef uint16_t shadows = query.shadow_count, models = <uint16_t>len(plan.models)
        cdef uint64_t kept_bytes = 0
        cdef DecisionRecord* record
        cdef DecisionMember* kept
        cdef cbool is_new_plan = False
        cdef bint is_cascade = plan.rule.combine == CombineRule.Cascade
        for index in range(asked):
            kept_bytes += output_bytes(query.members()[index].output) if is_observed(&query.members()[index]) else 0
        for index in range(shadows):
            kept_bytes += output_bytes(query.shadows()[index].output) if is_observed(&query.shadows()[index]) else 0
        record = self.log.add(
            query.query_id, &plan.hold, asked + shadows, <uint16_t>query.feature_count,
            string_view(query.request.context.data(), query.request.context.size()), kept_bytes, &is_new_plan)
        if record == NULL:
            stream.feed.not_recorded()
            return 0
        if is_new_plan:
            Py_INCREF(plan)
        record.at_us = <uint64_t>(<int64_t>now_us + self.wall_offset_us)
        record.expires_us = now_us + stream.ttl_us
        record.stream = stream.uid
        record.has_context = query.request.has_context
        record.is_answered = is_answered
        kept = record.members()
        for index in range(asked):
            self.fill(&kept[index], &query.members()[index], first + index, query.propensity,
                      is_answered and (not is_cascade or index == query.shown))
        for index in range(shadows):
            self.fill(&kept[asked + index], &query.shadows()[index], models + index, 1.0, False)
        for index in range(<uint16_t>query.feature_count):
            record.features()[index] = query.features[index]
        stream.recorded += 1
        # xorshift64* (Vigna 2016)
        self.random_state ^= self.random_state >> 12
        self.random_state ^= self.random_state << 25
        self.random_state ^= self.random_state >> 27
        stream.feed.decided(query.query_id, self.random_state * 2685821657736338717u)
        return 0

    cdef int fill(self, DecisionMember* kept, Member* member, uint16_t model, double propensity, bint shown) noexcept:
        kept.model = model
        kept.propensity = propensity
        if is_observed(member):
            kept.output = member.output.retain()
        elif member.state == MemberState.Answered:
            pass                                # too long to keep; the cache is not to bring it back
        else:
            kept.key = member.key
        kept.shown = shown and member.state == MemberState.Answered
        return 0

    # -- feedback ----------------------------------------------------------------------------------------------------

    def is_awaited(self, DecisionStream stream not None, uint64_t query_id, uint64_t now_us):
        cdef DecisionRecord* record = self.log.find(query_id, now_us)
        cdef DecisionMember* member
        cdef uint16_t index
        if record == NULL or record.stream != stream.uid or record.feedback != 0:
            return False
        for index in range(record.member_count):
            member = &record.members()[index]
            if member.output == NULL and member.model < len((<Plan>record.plan.plan).models):
                if self.cache.cache.is_in_flight(member.key):
                    return True
        return False

    def join(self, DecisionStream stream not None, uint64_t query_id, uint64_t digest, bytes said not None,
             uint64_t now_us, uint64_t at_us):
        cdef DecisionRecord* record = self.log.find(query_id, now_us)
        if record == NULL or record.stream != stream.uid:
            return "unknown", b"", b""
        if record.feedback != 0:
            return "duplicate" if record.feedback == digest else "contradictory", b"", b""
        record.feedback = digest
        self.text.clear()
        self.text.append(b'{"query_id":')
        append_integer(self.text, record.query_id)
        self.text.append(b',"at_us":')
        append_integer(self.text, at_us)
        self.append_head(record)
        self.text.append(b',"arms":')
        self.append_arms(record, 0, now_us)
        self.text.append(b",")
        self.text.append(<const char*>said, <size_t>len(said))
        if record.feature_count > 0:
            self.text.append(b',"features":')
            append_doubles(self.text, record.features(), record.feature_count)
        self.text.append(b"}")
        observation = <bytes>self.text
        self.text.clear()
        self.append_late(record, now_us)
        return "joined", observation, <bytes>self.text

    cdef int append_head(self, DecisionRecord* record) except -1:
        cdef Plan plan = <Plan>record.plan.plan
        cdef bytes kind = plan.kind.encode()
        self.text.append(b',"context":')
        if record.has_context:
            append_json_string(self.text, record.context(), record.context_bytes)
        else:
            self.text.append(b"null")
        self.text.append(b',"plan_id":')
        append_integer(self.text, plan.plan_id)
        self.text.append(b',"kind":"')
        self.text.append(<const char*>kind, <size_t>len(kind))
        self.text.append(b'"')
        return 0

    cdef Output* output_of(self, DecisionMember* member, uint64_t now_us) noexcept:
        """The output, borrowed until the cache's next call; NULL if it is not known."""
        cdef Output* output = member.output
        if output == NULL and now_us != 0 and (member.key.low != 0 or member.key.high != 0):
            output = self.cache.cache.peek(member.key, now_us)
            if output != NULL and output.bytes > kMaxOutputBytes:
                return NULL
        return output

    cdef int append_arms(self, DecisionRecord* record, uint16_t first, uint64_t now_us) except -1:
        """What is known, from a member on: the one that was drawn in any case, of others those whose output is there.

        At `now_us` = 0 it is what was known when the query was answered.
        """
        cdef Plan plan = <Plan>record.plan.plan
        cdef DecisionMember* member
        cdef ModelRuntime model
        cdef Output* output
        cdef uint16_t index
        cdef bint is_first = True
        self.text.append(b"[")
        for index in range(first, record.member_count):
            member = &record.members()[index]
            output = self.output_of(member, now_us)
            if output == NULL and not (plan.is_arms and index == 0):
                continue
            model = model_at(plan, member.model)
            if not is_first:
                self.text.append(b",")
            is_first = False
            self.text.append(b'{"arm":"')
            self.text.append(<const char*>model.label, <size_t>len(model.label))
            self.text.append(b'"')
            if output != NULL:
                self.text.append(b',"output":')
                append_on_one_line(self.text, output)
            self.text.append(b',"propensity":')
            append_double(self.text, member.propensity)
            if member.shown:
                self.text.append(b',"shown":true}')
            else:
                self.text.append(b',"shown":false}')
        self.text.append(b"]")
        return 0

    cdef int append_late(self, DecisionRecord* record, uint64_t now_us) except -1:
        """The outputs, by arm, that had not come when the query was answered; nothing if there are none."""
        cdef Plan plan = <Plan>record.plan.plan
        cdef DecisionMember* member
        cdef ModelRuntime model
        cdef Output* output
        cdef uint16_t index
        for index in range(record.member_count):
            member = &record.members()[index]
            if member.output != NULL:
                continue
            output = self.output_of(member, now_us)
            if output == NULL:
                continue
            model = model_at(plan, member.model)
            if self.text.empty():
                self.text.append(b'{"')
            else:
                self.text.append(b',"')
            self.text.append(<const char*>model.label, <size_t>len(model.label))
            self.text.append(b'":')
            append_on_one_line(self.text, output)
        if not self.text.empty():
            self.text.append(b"}")
        return 0

    # -- the file, and the sample --------------------------------------------------------------------------------------

    def take_lines(self, DecisionStream stream not None, size_t most, uint64_t now_us):
        cdef uint64_t query_id, lost = stream.feed.take_lost()
        cdef vector[uint64_t] ids = stream.feed.take_unfiled(most)
        cdef DecisionRecord* record
        self.text.clear()
        for query_id in ids:
            record = self.log.find(query_id, now_us)
            if record == NULL:
                lost += 1                       # pushed out already
            else:
                self.append_line(record, stream)
        return <bytes>self.text, lost

    cdef int append_line(self, DecisionRecord* record, DecisionStream stream) except -1:
        cdef Plan plan = <Plan>record.plan.plan
        cdef DecisionMember* chosen = record.members()
        cdef bytes name = stream.name.encode(), models
        cdef uint16_t index
        self.text.append(b'{"type":"decision","query_id":')
        append_integer(self.text, record.query_id)
        self.text.append(b',"at_us":')
        append_integer(self.text, record.at_us)
        self.text.append(b',"application":')
        append_json_string(self.text, <const char*>name, len(name))
        self.text.append(b',"policy":')
        self.text.append(<const char*>stream.policy, <size_t>len(stream.policy))
        self.append_head(record)
        models = b'","'.join([(<ModelRuntime>model).label for model in plan.models])
        self.text.append(b',"arms":["')
        self.text.append(<const char*>models, <size_t>len(models))
        self.text.append(b'"]')
        if plan.is_arms:
            if plan.select is None:
                self.text.append(b',"probabilities":[')
                for index in range(<uint16_t>len(plan.models)):
                    if index > 0:
                        self.text.append(b",")
                    append_double(self.text, plan.propensity(index))
                self.text.append(b"]")
            self.text.append(b',"chosen":"')
            models = model_at(plan, chosen.model).label
            self.text.append(<const char*>models, <size_t>len(models))
            self.text.append(b'","propensity":')
            append_double(self.text, chosen.propensity)
            if chosen.output != NULL:
                self.text.append(b',"output":')
                append_on_one_line(self.text, chosen.output)
            if record.member_count > 1:
                self.text.append(b',"shadows":')
                self.append_arms(record, 1, 0)
        else:
            self.text.append(b',"members":')
            self.append_arms(record, 0, 0)
        if not record.is_answered:
            self.text.append(b',"default":true')
        if record.feature_count > 0:
            self.text.append(b',"features":')
            append_doubles(self.text, record.features(), record.feature_count)
        self.text.append(b"}\n")
        return 0

    def take_sample(self, DecisionStream stream not None, uint64_t now_us):
        cdef DecisionRecord* record
        cdef DecisionMember* member
        cdef uint64_t query_id
        cdef uint16_t index
        cdef vector[uint64_t] ids = stream.feed.take_sample()
        sample = []
        for query_id in ids:
            record = self.log.find(query_id, now_us)
            if record == NULL:
                continue
            outputs = []
            for index in range(record.member_count):
                member = &record.members()[index]
                if member.output != NULL:
                    self.text.clear()
                    append_on_one_line(self.text, member.output)
                    outputs.append((model_at(<Plan>record.plan.plan, member.model).label, <bytes>self.text))
            sample.append(outputs)
        return sample

    # -- housekeeping --------------------------------------------------------------------------------------------------

    def expire(self, uint64_t now_us, uint32_t most):
        self.log.expire(now_us, most)

    def figures(self):
        cdef DecisionCounters now = self.log.counters()
        return {"records": now.records, "bytes": now.bytes, "evictions": now.evictions, "refusals": now.refusals}

    def broken_invariant(self):
        cdef const char* broken = self.log.broken_invariant()
        return None if broken == NULL else (<bytes>broken).decode()
