# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What models are asked, and what becomes of it: the cache, the queue, and everyone who waits for an output."""

from libc.string cimport memcpy

from clipper._core.counters cimport Stage
from clipper._core.finish_estimate cimport FinishEstimate
from clipper._core.in_flight cimport kNeverUs
from clipper._core.query cimport attach_waiter, detach_waiter

cdef enum:
    # What is asked along waits behind all that somebody waits for, and no longer than this.
    ALONG_PATIENCE_US = 1_000_000
    # Of the slots, tasks that nobody need wait for take at most one in four, and those of one model one in sixteen.
    KEPT_SHARE = 4
    KEPT_SHARE_OF_A_MODEL = 16


cdef class PredictTasks(QueryGather):
    # -- hops 4 and 5: a member becomes a task -----------------------------------------------------------------------

    cdef int start_member(self, Application app, ModelRuntime model, Query* query, Member* member, const char* data,
                          uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1:
        cdef uint32_t joined
        cdef int64_t slot
        cdef bint use_cache = self.cache_enabled and app.use_cache
        if use_cache:
            result = self.look_up(app, model, member, data, data_bytes, now_us, &joined)
            if result == FetchResult.Hit:
                query.pending -= 1
                return 0
            if result == FetchResult.Join:
                return self.join(member, joined, query.fire_us)
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
        slot = self.push_task(app, model, member.key, use_cache, data, data_bytes, query.fire_us, slo_us, now_us)
        if slot < 0:
            model.refused += 1
            member.state = MemberState.Refused
            query.pending -= 1
            return 0
        member.slot = <uint32_t>slot
        attach_waiter(self.tasks[slot], member)
        return 0

    cdef bint ask_along(self, Application app, ModelRuntime model, Member* member, const char* data,
                        uint64_t data_bytes, uint64_t now_us) except -1:
        """Nobody waits for it, so it takes only what nobody else needs: a place in the queue while the model would
        still answer it in half of its objective, and a share of the slots.
        """
        cdef uint32_t joined
        cdef int64_t slot
        cdef bint use_cache = self.cache_enabled and app.use_cache
        if use_cache:
            result = self.look_up(app, model, member, data, data_bytes, now_us, &joined)
            if result == FetchResult.Join:
                self.keep_task(joined)
            if result != FetchResult.Miss:
                return True
        if model.ready_count == 0 or model.retired:
            return False
        if not self.has_room_to_keep(model) or model.admission.waiting() > 0 and (
                model.admission.waiting() >= model.admission.answered_by(now_us, now_us + model.slo_us // 2)):
            return False
        slot = self.push_task(app, model, member.key, use_cache, data, data_bytes, now_us + <uint64_t>ALONG_PATIENCE_US,
                              ALONG_PATIENCE_US, now_us)
        if slot < 0:
            return False
        self.keep_task(<uint32_t>slot)
        return True

    cdef FetchResult look_up(self, Application app, ModelRuntime model, Member* member, const char* data,
                             uint64_t data_bytes, uint64_t now_us, uint32_t* joined) noexcept:
        """Whether the member's output is in the cache (then it is answered), on its way (in the slot), or neither."""
        cdef Output* output
        cdef CacheKey key = self.hash[0](model.uid, app.cache_tag, data_bytes, data, data_bytes)
        cdef FetchResult result = self.cache.fetch(key, now_us, &output, joined)
        member.key = key
        if result == FetchResult.Hit:
            model.cache_hits += 1
            member.output = output.retain()
            member.state = MemberState.Answered
        elif result == FetchResult.Join:
            model.cache_joins += 1
        else:
            model.cache_misses += 1
        return result

    cdef int64_t push_task(self, Application app, ModelRuntime model, const CacheKey& key, bint use_cache,
                           const char* data, uint64_t data_bytes, uint64_t due_us, uint64_t slo_us,
                           uint64_t now_us) except -2:
        """A new task in the model's queue; -1: there is no room for it."""
        cdef TaskRecord* task
        cdef int64_t slot = self.pool.acquire(data_bytes)
        if slot < 0:
            return -1
        memcpy(self.pool.payload(<uint32_t>slot), data, data_bytes)
        self.pool.set_deadlines(<uint32_t>slot, due_us, due_us)
        if model.queue.push(<uint32_t>slot, slo_us) != 0:
            self.pool.release(<uint32_t>slot)
            return -1
        task = &self.tasks[slot]
        task.waiters = NULL
        task.model = <void*>model
        task.losses = 0
        task.is_kept = False
        task.in_cache = use_cache
        task.key = key
        task.deadline_us = due_us
        task.drop_deadline_us = due_us
        task.cache_ttl_us = app.cache_ttl_us
        task.pushed_us = now_us
        if use_cache:
            self.cache.begin(key, model.uid, <uint32_t>slot)
        model.admission.pushed()
        model.counters.tasks += 1
        self.fresh.push_back(<uint32_t>slot)
        self.mark_dirty(model)
        return slot

    cdef bint has_room_to_keep(self, ModelRuntime model) noexcept:
        cdef uint32_t slots = self.slots.slot_count
        return self.kept_count < slots // KEPT_SHARE and model.kept_count < max(slots // KEPT_SHARE_OF_A_MODEL, 1)

    cdef int keep_task(self, uint32_t slot) except -1:
        """The task is evaluated even if nobody waits on it any more; unless too many are already."""
        cdef TaskRecord* task = &self.tasks[slot]
        cdef ModelRuntime model = <ModelRuntime>task.model
        if not task.is_kept and self.has_room_to_keep(model):
            task.is_kept = True
            self.kept_count += 1
            model.kept_count += 1
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

    # -- the end of a turn, and of a task ----------------------------------------------------------------------------

    cdef int mark_dirty(self, ModelRuntime model) except -1:
        if not model.dirty:
            model.dirty = True
            self.dirty_models.append(model)
        return 0

    cdef int dispatch_dirty(self, uint64_t now_us) except -1:
        """The end of a turn: the models that got tasks in it are dispatched."""
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
        cdef Member* other = member
        cdef Member* next_member
        cdef Query* query
        cdef bint has_stages = False
        if task.in_cache:
            task.in_cache = False
            if state == MemberState.Answered:
                self.cache.put(task.key, output, model.uid, now_us + task.cache_ttl_us if task.cache_ttl_us else 0)
            else:
                self.cache.abandon(task.key)
        if state == MemberState.Failed:
            model.counters.failures += 1
        if task.is_kept:
            task.is_kept = False
            self.kept_count -= 1
            model.kept_count -= 1
        task.waiters = NULL
        while other != NULL:
            has_stages = has_stages or other.query.has_stages
            other = other.next
        # Claimed by this worker itself, so there is no way through the completion bitmap. The next stage of a cascade
        # reads its input there.
        if not has_stages:
            self.pool.release(slot)
        while member != NULL:                  # the list is ours now: an answer may start new queries
            next_member = member.next
            member.previous = member.next = NULL
            member.state = state
            if output != NULL:
                member.output = output.retain()
            query = member.query
            query.last_output_us = now_us
            query.pending -= 1
            if query.member_room > 1:
                self.take_member(query, member, now_us)
            elif query.pending == 0:
                self.finish(query, now_us)
            member = next_member
        if has_stages:
            self.pool.release(slot)
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
        if task.waiters != NULL or task.is_kept:
            return 0
        if (<ModelRuntime>task.model).queue.withdraw(slot) == 0:
            return self.complete_task(slot, MemberState.Deadline, NULL, now_us)
        # In flight for nobody: if its replica is lost it is not worth another evaluation. Who joins it says otherwise.
        task.drop_deadline_us = min(task.drop_deadline_us, now_us)
        self.pool.set_deadlines(slot, task.deadline_us, task.drop_deadline_us)
        return 0
