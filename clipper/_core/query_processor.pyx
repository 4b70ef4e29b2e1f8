# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Requests become queries: the parsed body, the plan that holds for it, and the objects that travel.

One object per worker, on its loop thread. A query costs no Task, no Future and no Python number; Python objects are
touched only by reference (the connection, the application, the plan).
"""

import cython
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint16_t
from libc.string cimport strcmp

from clipper._core.deadline_timer cimport DeadlineTimer
from clipper._core.decision_log cimport DecisionLog
from clipper._core.dispatcher cimport Dispatcher
from clipper._core.http_request cimport HttpConnection
from clipper._core.http_server cimport HttpServer
from clipper._core.in_flight cimport kNeverUs
from clipper._core.plan cimport word_of_context
from clipper._core.predict_body cimport c_parse_binary_body, c_parse_json_body
from clipper._core.prediction_cache cimport PredictionCacheHandle
from clipper._core.query_log cimport QueryLog
from clipper._core.route_table cimport Route
from clipper._core.rpc_server cimport RpcServer
from clipper._core.slot_pool cimport SlotPoolHandle

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
cdef class QueryProcessor(Selection):
    def __init__(self, SlotPoolHandle slots, PredictionCacheHandle cache, DeadlineTimer timer, *,
                 uint64_t first_query_id, uint64_t query_id_step=16, uint64_t random_seed=1,
                 uint64_t reply_margin_us=DEFAULT_REPLY_MARGIN_US, DecisionLog decisions=None):
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
        self.decisions = DecisionLog(0, cache) if decisions is None else decisions

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
        elif self.body.has_context and app.contexts is not None:
            plan = self.plan_for_context(app)
        slo_us = app.slo_us
        if self.body.slo_us != 0:
            slo_us = self.body.slo_us
            if slo_us > app.max_slo_us:
                app.stats.bad_requests += 1
                return self.refuse(connection, sequence, 400, b"slo_too_large",
                                   f"slo_us is {slo_us}: {app.name!r} accepts at most {app.max_slo_us}".encode())
        self.has_context = self.body.has_context
        if self.has_context and plan is not None and plan.is_sticky:
            self.context_word = word_of_context(self.body.context)
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
        if self.body.has_context and app.learns:
            request.has_context = True
            request.context = self.body.context
        for part in range(count):
            self.start_query(app, plan, request, part, self.body.inputs + self.body.offsets[part],
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

    cdef Plan plan_for_context(self, Application app):
        cdef Plan plan = app.contexts.find(self.body.context)
        return app.plan if plan is None else plan

    cdef object version_cause(self, Application app, bytes version):
        # The two texts of the original system.
        if len(app.linked_models) > 1:
            return f"Too many models linked to application {app.name}".encode()
        model = app.linked_models[0] if app.linked_models else "(none linked)"
        return b"Requested version: %s does not exist for model: %s" % (version, model.encode())

    # -- hops 3 to 5: a query asks models ----------------------------------------------------------------------------

    cdef int start_query(self, Application app, Plan plan, Request* request, uint32_t part, const char* data,
                         uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1:
        cdef Query* query
        if plan is None:
            query = self.queries.new_query(0, 0, 0)
        else:
            query = self.queries.new_query(plan.member_count, plan.member_room, <uint16_t>len(plan.shadows))
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
        query.pending = query.member_count + 1     # one more than it asks: nothing is answered before all are asked
        if plan is not None:
            self.ask(app, plan, query, data, data_bytes, slo_us, now_us, self.is_traced)
        elif self.is_traced:
            self.log.begin(query, app, data_bytes)
        query.pending -= 1
        if (query.member_count > 1 and self.take_hits(query, now_us)) or query.pending == 0:
            return self.finish(query, self.server.turn_now_us())
        self.deadlines.insert(query, query.fire_us)
        return 0

    cdef int on_turn_end(self, uint64_t now_us) except -1:
        self.dispatch_dirty(now_us)
        while not self.waiting.empty():
            self.select_waiting(now_us)
            self.dispatch_dirty(now_us)
        return 0
