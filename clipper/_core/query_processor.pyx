# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""From a parsed body to queued tasks, and from outputs to those who wait for them: selection, cache, queue.

One object per worker, on its loop thread. A query costs no Task, no Future and no Python number; Python objects are
touched only by reference (the connection, the application, the plan).
"""

import cython
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint16_t
from libc.string cimport memcpy, strcmp

from clipper._core.counters cimport Stage
from clipper._core.deadline_timer cimport DeadlineTimer
from clipper._core.finish_estimate cimport FinishEstimate
from clipper._core.http_request cimport HttpConnection
from clipper._core.http_server cimport HttpServer
from clipper._core.in_flight cimport kNeverUs
from clipper._core.predict_body cimport c_parse_binary_body, c_parse_json_body
from clipper._core.prediction_cache cimport CacheKey, FetchResult
from clipper._core.query cimport attach_waiter, detach_waiter
from clipper._core.query_log cimport QueryLog
from clipper._core.route_table cimport Route

DEFAULT_REPLY_MARGIN_US = 500

cdef int body_error_status(const char* code) noexcept:
    """The HTTP status of an error code of the body parser: whose fault it is."""
    if strcmp(code, b"no_binary_form") == 0:
        return 415
    if strcmp(code, b"out_of_memory") == 0:
        return 503
    if strcmp(code, b"internal_error") == 0:
        return 500
    return 400


@cython.final
cdef class QueryProcessor(QueryGather):
    def __init__(self, SlotPoolHandle slots, PredictionCacheHandle cache, DeadlineTimer timer, *,
                 uint64_t first_query_id, uint64_t query_id_step=16, uint64_t random_seed=1,
                 uint64_t reply_margin_us=DEFAULT_REPLY_MARGIN_US):
        self.slots = slots
        self.pool = slots.pool
        self.tasks.resize(slots.slot_count)
        self.cache_handle = cache
        self.cache = cache.cache
        self.hash = cache.hash
        self.cache_enabled = cache.enabled
        self.next_query_id = first_query_id
        self.query_id_step = query_id_step
        self.random_state = random_seed | 1
        self.reply_margin_us = reply_margin_us
        self.timer = timer
        self.wake_us = kNeverUs
        self.dirty_models = []
        self.waking_models = []
        self.log = QueryLog()

    def wire(self, HttpServer server, RpcServer rpc, Dispatcher dispatcher):
        """Joins the processor with the two I/O objects and the dispatcher. Called once, before traffic."""
        self.server = server
        self.rpc = rpc
        self.dispatcher = dispatcher

    # -- hops 2 and 3: a request becomes queries -------------------------------------------------------------------

    cdef int on_predict(self, HttpConnection connection, uint64_t sequence, Route route, const char* body,
                        size_t body_bytes, bint is_binary, uint64_t clipper_batch, bint is_traced,
                        uint64_t arrival_us) except -1:
        cdef Application app = <Application>route.target
        cdef Plan plan
        cdef Request* request
        cdef uint32_t count, part
        cdef uint64_t slo_us
        cdef bint ok
        if is_binary:
            ok = c_parse_binary_body(body, body_bytes, app.input_spec, app.body_limits, clipper_batch, self.body)
        else:
            ok = c_parse_json_body(body, body_bytes, app.input_spec, app.body_limits, self.body)
        if not ok:
            app.stats.bad_requests += 1
            return self.refuse(connection, sequence, body_error_status(self.body.error_code), self.body.error_code,
                               <bytes>self.body.error_cause)
        plan = app.plan
        if self.body.has_version:
            plan = self.plan_for_version(app, <bytes>self.body.version)
            if plan is None:
                app.stats.bad_requests += 1
                return self.refuse(connection, sequence, 400, b"unknown_version",
                                   self.version_cause(app, <bytes>self.body.version))
        slo_us = app.slo_us
        if self.body.slo_us != 0:
            slo_us = self.body.slo_us
            if slo_us > app.max_slo_us:
                app.stats.bad_requests += 1
                return self.refuse(connection, sequence, 400, b"slo_too_large",
                                   f"slo_us is {slo_us}: {app.name!r} accepts at most {app.max_slo_us}".encode())
        self.is_traced = is_traced and self.log.admits_trace(app, arrival_us)
        count = <uint32_t>self.body.input_count()
        request = self.queries.new_request()
        request.connection = <void*>connection
        request.application = <void*>app
        Py_INCREF(connection)
        Py_INCREF(app)
        request.sequence = sequence
        request.is_batch = self.body.is_batch
        request.pending = count + 1            # one more than it has: nothing is answered before all have been started
        if request.is_batch:
            request.parts.resize(count)
        for part in range(count):
            self.start_query(app, plan, request, part, self.body.data.data() + self.body.offsets[part],
                             self.body.offsets[part + 1] - self.body.offsets[part], slo_us, arrival_us)
        request.pending -= 1
        if request.pending == 0 and request.is_batch:
            self.answer_request(request)
        elif request.pending == 0:
            self.release_request(request)
        return self.arm()

    cdef Plan plan_for_version(self, Application app, bytes version):
        if app.version_plans is None:
            return None
        return app.version_plans.get(version.decode())

    cdef object version_cause(self, Application app, bytes version):
        # The two texts of the original system.
        if len(app.linked_models) > 1:
            return f"Too many models linked to application {app.name}".encode()
        model = app.linked_models[0] if app.linked_models else "(none linked)"
        return b"Requested version: %s does not exist for model: %s" % (version, model.encode())

    # -- hops 3 to 5: a query becomes tasks ------------------------------------------------------------------------

    cdef int start_query(self, Application app, Plan plan, Request* request, uint32_t part, const char* data,
                         uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1:
        cdef uint16_t index, count = 0 if plan is None else plan.member_count
        cdef Query* query = self.queries.new_query(count)
        cdef Member* members = query.members()
        app.stats.counters.queries += 1
        query.request = request
        query.part = part
        query.query_id = self.next_query_id
        self.next_query_id += self.query_id_step
        query.arrival_us = now_us
        query.last_output_us = now_us
        query.deadline_us = now_us + slo_us
        query.fire_us = now_us + (slo_us - self.reply_margin_us if slo_us > 2 * self.reply_margin_us else slo_us / 2)
        query.plan = <void*>plan
        Py_INCREF(plan)
        query.pending = count + 1
        if count > 0:
            if plan.is_arms:
                query.first_arm = plan.draw(self.random()) if plan.cumulative.size() > 1 else 0
            for index in range(count):
                self.start_member(app, <ModelRuntime>plan.models[query.first_arm + index], query, &members[index], data,
                                  data_bytes, slo_us, now_us)
        if self.is_traced:
            self.trace_start(app, plan, query, data_bytes)
        query.pending -= 1
        if (count > 1 and self.take_hits(query, now_us)) or query.pending == 0:
            return self.finish(query, self.server.turn_now_us())
        self.deadlines.insert(query, query.fire_us)
        return 0

    cdef int start_member(self, Application app, ModelRuntime model, Query* query, Member* member, const char* data,
                          uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1:
        cdef CacheKey key
        cdef Output* output
        cdef uint32_t joined
        cdef int64_t slot
        cdef bint use_cache = self.cache_enabled and app.use_cache
        cdef TaskRecord* task
        if use_cache:
            key = self.hash[0](model.uid, app.cache_tag, data_bytes, data, data_bytes)
            result = self.cache.fetch(key, now_us, &output, &joined)
            if result == FetchResult.Hit:
                model.cache_hits += 1
                member.output = output.retain()
                member.state = MemberState.Answered
                query.pending -= 1
                return 0
            if result == FetchResult.Join:
                model.cache_joins += 1
                self.join(member, joined, query.fire_us)
                return 0
            model.cache_misses += 1
        if model.ready_count == 0 or model.retired:
            member.state = MemberState.NoReplica
            query.pending -= 1
            return 0
        if not self.dispatcher.admits(model, query.fire_us, now_us):
            model.counters.not_admitted += 1
            member.is_too_late = True
            member.state = MemberState.Refused
            query.pending -= 1
            return 0
        slot = self.pool.acquire(data_bytes)
        if slot >= 0:
            memcpy(self.pool.payload(<uint32_t>slot), data, data_bytes)
            self.pool.set_deadlines(<uint32_t>slot, query.fire_us, query.fire_us)
            if model.queue.push(<uint32_t>slot, slo_us) != 0:
                self.pool.release(<uint32_t>slot)
                slot = -1
        if slot < 0:
            model.refused += 1
            member.state = MemberState.Refused
            query.pending -= 1
            return 0
        task = &self.tasks[slot]
        task.waiters = NULL
        task.model = <void*>model
        task.in_cache = use_cache
        task.key = key
        task.deadline_us = query.fire_us
        task.drop_deadline_us = query.fire_us
        task.cache_ttl_us = app.cache_ttl_us
        task.pushed_us = now_us
        if use_cache:
            self.cache.begin(key, model.uid, <uint32_t>slot)
        member.slot = <uint32_t>slot
        attach_waiter(task[0], member)
        model.admission.pushed()
        model.counters.tasks += 1
        self.fresh.push_back(<uint32_t>slot)
        return self.mark_dirty(model)

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

    cdef int join(self, Member* member, uint32_t slot, uint64_t fire_us) except -1:
        """A second query waits on a task that is already queued or in flight (single-flight)."""
        cdef TaskRecord* task = &self.tasks[slot]
        member.slot = slot
        attach_waiter(task[0], member)
        if fire_us < task.deadline_us or fire_us > task.drop_deadline_us:
            task.deadline_us = min(task.deadline_us, fire_us)
            task.drop_deadline_us = max(task.drop_deadline_us, fire_us)
            self.pool.set_deadlines(slot, task.deadline_us, task.drop_deadline_us)
        return 0

    cdef uint64_t random(self) noexcept:
        # xorshift64* (Vigna 2016): arm draws need speed and 53 good bits, not secrecy.
        self.random_state ^= self.random_state >> 12
        self.random_state ^= self.random_state << 25
        self.random_state ^= self.random_state >> 27
        return self.random_state * 2685821657736338717u

    # -- the end of a turn, and of a task ----------------------------------------------------------------------------

    cdef int mark_dirty(self, ModelRuntime model) except -1:
        if not model.dirty:
            model.dirty = True
            self.dirty_models.append(model)
        return 0

    cdef int on_turn_end(self, uint64_t now_us) except -1:
        cdef ModelRuntime model
        cdef uint32_t slot
        for slot in self.fresh:
            model = <ModelRuntime>self.tasks[slot].model
            model.counters.record_stage(Stage.Parse, now_us - self.tasks[slot].pushed_us)
            self.tasks[slot].pushed_us = now_us
        self.fresh.clear()
        if self.dirty_models:
            while self.dirty_models:           # a replica lost in a send marks its model again
                model = self.dirty_models.pop()
                model.dirty = False
                self.dispatcher.dispatch(model, now_us)
            self.rpc.catch_up(now_us)
        return 0

    cdef int wake_at(self, ModelRuntime model, uint64_t at_us) except -1:
        """The model wants to be dispatched then, and not at its earlier wish."""
        if model not in self.waking_models:
            self.waking_models.append(model)
        self.wake_us = min(self.wake_us, at_us)
        return self.arm()

    cdef int wake_models(self, uint64_t now_us) except -1:
        cdef ModelRuntime model
        if self.wake_us > now_us:
            return 0
        self.wake_us = kNeverUs
        waiting = []
        for model in self.waking_models:
            if model.wake_us <= now_us:
                self.mark_dirty(model)         # the end of this turn dispatches it
            else:
                self.wake_us = min(self.wake_us, model.wake_us)
                waiting.append(model)
        self.waking_models = waiting
        return 0

    cdef int complete_task(self, uint32_t slot, MemberState state, Output* output, uint64_t now_us) except -1:
        """Ends a claimed task: the cache first, then everyone who waits on it. `output` is borrowed."""
        cdef TaskRecord* task = &self.tasks[slot]
        cdef ModelRuntime model = <ModelRuntime>task.model
        cdef Member* member = task.waiters
        cdef Member* next_member
        cdef Query* query
        if task.in_cache:
            task.in_cache = False
            if state == MemberState.Answered:
                self.cache.put(task.key, output, model.uid, now_us + task.cache_ttl_us if task.cache_ttl_us else 0)
            else:
                self.cache.abandon(task.key)
        if state == MemberState.Failed:
            model.counters.failures += 1
        task.waiters = NULL
        self.pool.release(slot)                # claimed by this worker itself: no way through the completion bitmap
        while member != NULL:                  # the list is ours now: an answer may start new queries
            next_member = member.next
            member.previous = member.next = NULL
            member.state = state
            if output != NULL:
                member.output = output.retain()
            query = member.query
            query.last_output_us = now_us
            query.pending -= 1
            if query.member_count > 1:
                self.take_member(query, member, now_us)
            elif query.pending == 0:
                self.finish(query, now_us)
            member = next_member
        return 0

    def retire_model(self, ModelRuntime model):
        """A model version left the routing snapshot: forgets its outputs.

        What waits for it is answered by the replicas that it still has, and at once if there are none.
        """
        model.retired = True
        self.cache.remove_model(model.uid)
        if model.ready_count == 0:
            self.end_queue(model, self.server.turn_now_us())

    cdef int end_queue(self, ModelRuntime model, uint64_t now_us) except -1:
        """Answers what waits for a model that nobody serves any more."""
        cdef vector[uint32_t] dropped
        cdef FinishEstimate nothing_known
        cdef uint32_t slot
        while model.queue.depth() > 0:
            self.batch.clear()
            model.queue.pop_batch(0xFFFFFFFF, now_us, nothing_known, self.batch, dropped)
            for slot in self.batch:
                self.complete_task(slot, MemberState.NoReplica, NULL, now_us)
            for slot in dropped:
                self.complete_task(slot, MemberState.Deadline, NULL, now_us)
            dropped.clear()
        return 0

    cdef int leave(self, Member* member, uint64_t now_us) except -1:
        """The member's query is answered without it. A task in flight goes on, for the cache; one queued for nobody
        ends here.
        """
        cdef uint32_t slot = member.slot
        cdef TaskRecord* task = &self.tasks[slot]
        detach_waiter(task[0], member)
        if task.waiters != NULL:
            return 0
        if (<ModelRuntime>task.model).queue.withdraw(slot) == 0:
            return self.complete_task(slot, MemberState.Deadline, NULL, now_us)
        # In flight for nobody: if its replica is lost it is not worth another evaluation. Who joins it says otherwise.
        task.drop_deadline_us = min(task.drop_deadline_us, now_us)
        self.pool.set_deadlines(slot, task.deadline_us, task.drop_deadline_us)
        return 0
