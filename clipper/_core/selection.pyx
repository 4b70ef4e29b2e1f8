# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Whom a query asks (hop 3): what the plan of its application, or of its context, says.

Arms are drawn here, in C, and the propensity is that of the draw itself. A plan by features is the one that calls
Python, once in a turn for all of its queries.
"""

import logging
from operator import index as as_index

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport malloc
from libc.string cimport memcpy

from clipper._core.input_spec cimport DType, dtype_bytes
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.plan import MAX_FEATURES as _MAX_FEATURES
from clipper._core.query cimport Member, MemberState, passes_on

cdef extern from "features.hpp" namespace "clipper" nogil:
    bint read_features(const char* data, size_t count, DType dtype, double* row) noexcept

cdef extern from "<utility>" namespace "std" nogil:
    void swap_waiting "std::swap"(WaitingQuery&, WaitingQuery&) noexcept

_log = logging.getLogger("clipper.selection")

cdef enum:
    FAILURES_LOGGED_PER_SECOND = 1      # of an application
cdef uint64_t MAX_FEATURES = _MAX_FEATURES


cdef class Selection(PredictTasks):
    cdef int ask(self, Application app, Plan plan, Query* query, const char* data, uint64_t data_bytes,
                 uint64_t slo_us, uint64_t now_us, bint is_traced) except -1:
        cdef Member* members = query.members()
        cdef WaitingQuery waiting
        cdef uint16_t index
        if plan.select is not None:
            if self.read_row(app, query, data, data_bytes):
                waiting.query, waiting.data_bytes, waiting.slo_us = query, data_bytes, slo_us
                waiting.is_traced = is_traced
                waiting.offset = self.waiting_data.size()
                self.waiting_data.insert(self.waiting_data.end(), data, data + data_bytes)
                self.waiting.push_back(waiting)
                self.server.turn_now_us()          # opens a turn, whose end selects
                return 0
            app.stats.counters.selection_failures += 1
            self.draw_uniform(plan, query)
        elif plan.is_arms:
            if plan.cumulative.size() > 1:
                query.first_arm = plan.draw(self.context_word if plan.is_sticky and self.has_context else self.random())
                query.propensity = plan.propensity(query.first_arm)
        else:
            query.has_stages = plan.member_room > plan.member_count
            query.observes_all = plan.member_count > 1 and plan.draws_all(self.random())
        for index in range(plan.member_count):
            self.start_member(app, <ModelRuntime>plan.models[query.first_arm + index], query, &members[index], data,
                              data_bytes, slo_us, now_us)
        if query.has_stages:
            self.ask_next_stages(app, plan, query, data, data_bytes, slo_us, now_us)
        if is_traced:
            self.trace_start(app, plan, query, data_bytes)
        if query.shadow_count > 0:
            self.ask_shadows(app, plan, query, data, data_bytes, now_us)
        return 0

    cdef int ask_shadows(self, Application app, Plan plan, Query* query, const char* data, uint64_t data_bytes,
                         uint64_t now_us) except -1:
        cdef ModelRuntime model
        cdef uint16_t index
        for index in range(query.shadow_count):
            model = <ModelRuntime>plan.shadows[index]
            if self.ask_along(app, model, &query.shadows()[index], data, data_bytes, now_us):
                model.counters.shadow_tasks += 1
            else:
                model.counters.shadow_refusals += 1
        return 0

    cdef uint64_t random(self) noexcept:
        # xorshift64* (Vigna 2016): arm draws need speed and 53 good bits, not secrecy.
        self.random_state ^= self.random_state >> 12
        self.random_state ^= self.random_state << 25
        self.random_state ^= self.random_state >> 27
        return self.random_state * 2685821657736338717u

    cdef int trace_start(self, Application app, Plan plan, Query* query, uint64_t data_bytes) except -1:
        cdef Member* member
        cdef uint16_t index
        cdef size_t tail
        cdef bint is_fresh
        self.log.begin(query, app, data_bytes)
        for index in range(query.member_count):
            member = &query.members()[index]
            is_fresh = False                   # its task is one of those that this query has pushed just now
            for tail in range(1, 1 + min(<size_t>query.member_count, self.fresh.size())):
                is_fresh = is_fresh or self.fresh[self.fresh.size() - tail] == member.slot
            self.log.started(query, member, <ModelRuntime>plan.models[query.first_arm + index], not is_fresh)
        return 0

    # -- cascades ----------------------------------------------------------------------------------------------------

    cdef bint ask_next_stages(self, Application app, Plan plan, Query* query, const char* data, uint64_t data_bytes,
                              uint64_t slo_us, uint64_t now_us) except -1:
        """Asks the next stage, and the one behind it if that has no output at once; tells whether one is awaited.

        The last stage that was asked is in. A stage that does not find the time, or fails, leaves the query to those
        behind it, and in the end to the last output that there is.
        """
        cdef Member* members = query.members()
        cdef Member* last = &members[query.member_count - 1]
        while last.state != MemberState.Pending:
            if now_us >= query.fire_us or not passes_on(plan.rule, query, query.member_count - 1):
                return False
            last = &members[query.member_count]
            query.pending += 1
            query.member_count += 1
            self.start_member(app, <ModelRuntime>plan.models[query.member_count - 1], query, last, data, data_bytes,
                              slo_us, now_us)
        return True

    cdef bint goes_on(self, Query* query, Member* member, uint64_t now_us) except -1:
        # The task is over, but its slot is released only when all who waited have been told.
        if now_us >= query.fire_us:
            return False
        self.server.turn_now_us()              # opens a turn, whose end dispatches what is asked now
        return self.ask_next_stages(<Application>query.request.application, <Plan>query.plan, query,
                                    self.pool.payload(member.slot), self.pool.payload_bytes(member.slot),
                                    query.deadline_us - now_us, now_us)

    # -- features ----------------------------------------------------------------------------------------------------

    cdef bint read_row(self, Application app, Query* query, const char* data, uint64_t data_bytes) except -1:
        """The input as the query's row of features; False: it is none."""
        cdef uint64_t count = data_bytes // max(dtype_bytes(app.input_spec.dtype), 1)
        if count == 0 or count > MAX_FEATURES:
            return False
        query.features = <double*>malloc(count * sizeof(double))
        if query.features == NULL:
            raise MemoryError
        # Not before it is known to be good: what stands in the query is what it was chosen by.
        if read_features(data, count, app.input_spec.dtype, query.features):
            query.feature_count = <uint32_t>count
        return query.feature_count != 0

    cdef int draw_uniform(self, Plan plan, Query* query) except -1:
        query.first_arm = plan.draw(self.random())
        query.propensity = plan.propensity(query.first_arm)
        return 0

    cdef int select_waiting(self, uint64_t now_us) except -1:
        """The end of a turn: the queries that wait for it get their models, those of one plan together."""
        cdef size_t begin, end
        if self.waiting.empty():
            return 0
        while not self.waiting.empty():        # an answer may have new queries follow
            self.selecting.swap(self.waiting)
            self.selecting_data.swap(self.waiting_data)
            begin = 0
            while begin < self.selecting.size():
                end = self.take_group(begin)
                self.select_group(begin, end, now_us)
                begin = end
            self.selecting.clear()
            self.selecting_data.clear()
        return self.arm()

    cdef size_t take_group(self, size_t begin) noexcept:
        """Moves the queries that have the plan and the number of features of the first one behind it."""
        cdef Query* first = self.selecting[begin].query
        cdef Query* query
        cdef size_t index, end = begin + 1
        for index in range(begin + 1, self.selecting.size()):
            query = self.selecting[index].query
            if query.plan == first.plan and query.feature_count == first.feature_count:
                if index != end:
                    swap_waiting(self.selecting[index], self.selecting[end])
                end += 1
        return end

    cdef int select_group(self, size_t begin, size_t end, uint64_t now_us) except -1:
        cdef Query* first = self.selecting[begin].query
        cdef Application app = <Application>first.request.application
        cdef Plan plan = <Plan>first.plan
        cdef size_t index
        try:
            self.choose(plan, begin, end)
        except Exception as error:
            app.stats.counters.selection_failures += end - begin
            for index in range(begin, end):
                self.draw_uniform(plan, self.selecting[index].query)
            if app.stats.select_window.admits(now_us, FAILURES_LOGGED_PER_SECOND):
                suppressed = app.stats.select_window.take_suppressed()
                facts = {"application": app.name, "plan_id": plan.plan_id} | (
                    {"suppressed": suppressed} if suppressed else {})
                _log.warning("a policy could not select, %d queries were given a model at random: %s: %s", end - begin,
                             type(error).__name__, error, extra=facts)
        for index in range(begin, end):
            self.ask_selected(&self.selecting[index], now_us)
        return 0

    cdef int choose(self, Plan plan, size_t begin, size_t end) except -1:
        """Has the plan select for a group; nothing is chosen unless all of what it returns makes sense."""
        cdef size_t index, count = end - begin
        cdef size_t row_bytes = self.selecting[begin].query.feature_count * sizeof(double)
        cdef bytes rows = PyBytes_FromStringAndSize(NULL, count * row_bytes)
        cdef vector[uint16_t] chosen
        cdef vector[double] chances
        cdef int arm
        cdef double propensity
        for index in range(count):
            memcpy(PyBytes_AS_STRING(rows) + index * row_bytes, self.selecting[begin + index].query.features, row_bytes)
        arms, propensities = plan.select(rows, count)
        if len(arms) != count or len(propensities) != count:
            raise ValueError(f"select was given {count} queries and returned {len(arms)} arms and "
                             f"{len(propensities)} propensities")
        for index in range(count):
            arm, propensity = as_index(arms[index]), propensities[index]
            if not 0 <= arm < len(plan.models):
                raise ValueError(f"select returned arm {arm} of {len(plan.models)} models")
            if not 0.0 < propensity <= 1.0:
                raise ValueError(f"select returned the propensity {propensity}, expected one above 0 and up to 1")
            chosen.push_back(<uint16_t>arm)
            chances.push_back(propensity)
        for index in range(count):
            self.selecting[begin + index].query.first_arm = chosen[index]
            self.selecting[begin + index].query.propensity = chances[index]
        return 0

    cdef int ask_selected(self, WaitingQuery* waiting, uint64_t now_us) except -1:
        cdef Query* query = waiting.query
        cdef Application app = <Application>query.request.application
        cdef Plan plan = <Plan>query.plan
        cdef const char* data = self.selecting_data.data() + waiting.offset
        self.start_member(app, <ModelRuntime>plan.models[query.first_arm], query, query.members(), data,
                          waiting.data_bytes, waiting.slo_us, now_us)
        if waiting.is_traced:
            self.trace_start(app, plan, query, waiting.data_bytes)
        if query.shadow_count > 0:
            self.ask_shadows(app, plan, query, data, waiting.data_bytes, now_us)
        if query.pending == 0:
            return self.finish(query, now_us)
        return 0
