# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Queued tasks become batches for replicas (hop 6)."""

import cython

from clipper._core.batch_size cimport FixedBatchSize
from clipper._core.counters cimport Stage
from clipper._core.finish_estimate cimport FinishEstimate
from clipper._core.finish_model cimport FinishModel
from clipper._core.in_flight cimport kAnswered, kNeverUs, take_away
from clipper.errors import InvalidArgumentError

DEFAULT_HEDGE_RATIO = 0.03          # "a few percent": the extra work that The Tail at Scale reports
DEFAULT_AHEAD_RATIO = 0.1           # where the RPC is a smaller share than this, there is little to hide behind a batch
cdef double GAIN_RATIO = 0.1        # of a batch's time must be its fixed part, or waiting for more gains nothing
# Below this, lateness is the scheduler's: a batch is no straggler for it.
cdef enum:
    HEDGE_FLOOR_US = 1_000
    RETRY_US = 100                  # no sooner is looked again at tasks that were left to a replica that is late


cdef class BatchSink:
    cdef int send(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1:
        self.on_send(replica, batch.id, batch.slots, now_us)
        return 0

    cdef int drop(self, uint32_t slot, uint64_t now_us) except -1:
        self.on_drop(slot, now_us)
        return 0

    cdef int wake_at(self, ModelRuntime model, uint64_t at_us) except -1:
        self.on_wake_at(model, at_us)
        return 0

    def on_send(self, replica, batch_id, slots, now_us):
        raise NotImplementedError

    def on_drop(self, slot, now_us):
        raise NotImplementedError

    def on_wake_at(self, model, at_us):
        raise NotImplementedError


cdef uint32_t likely_size(ModelRuntime model, Replica replica, uint64_t now_us) noexcept:
    """How large the batches of a replica will be. A controller that has only begun to look will soon allow more."""
    cdef uint32_t size = replica.controller.next_size(now_us)
    cdef FinishEstimate estimate = replica.finish_model.estimate()
    cdef uint64_t target_us = model.slo_us // 2
    cdef double items = model.max_batch_size
    if isinstance(replica.controller, FixedBatchSize) or estimate.finish_us(0, size) >= target_us:
        return size
    if estimate.per_item_us > 0.0:
        items = min(items, <double>(target_us - estimate.base_us) / estimate.per_item_us)
    return max(size, <uint32_t>items)


@cython.final
cdef class Dispatcher:
    def __init__(self, SlotPoolHandle slots, BatchSink sink, *, uint64_t batch_wait_us=0,
                 double hedge_ratio=DEFAULT_HEDGE_RATIO, double ahead_ratio=DEFAULT_AHEAD_RATIO, bint admission=True):
        if not 0.0 <= hedge_ratio <= 1.0 or not 0.0 <= ahead_ratio <= 1.0:
            raise InvalidArgumentError(
                f"hedge_ratio and ahead_ratio must be between 0 and 1; got {hedge_ratio} and {ahead_ratio}")
        self.slots = slots
        self.pool = slots.pool
        self.sink = sink
        self.next_batch_id = 1
        self.batch_wait_us = batch_wait_us
        self.hedge_ratio = hedge_ratio
        self.admission = admission
        self.choice = ReplicaChoice(ahead_ratio)

    cdef bint admits(self, ModelRuntime model, uint64_t deadline_us, uint64_t now_us) noexcept:
        return model.admission.admits(now_us, deadline_us) or not self.admission

    # -- tasks become batches ----------------------------------------------------------------------------------------

    cdef int dispatch(self, ModelRuntime model, uint64_t now_us) except -1:
        """Gives every replica that should have one a batch; drops tasks that nobody can meet any more."""
        cdef uint64_t waiting
        if model.wake_us <= now_us:
            model.wake_us = kNeverUs
        if model.hedge_us <= now_us:
            self.hedge(model, now_us)
        while True:
            waiting = model.queue.depth()
            if waiting == 0:
                model.waits_since_us = 0
                break
            self.choice.choose(model, waiting, now_us)
            if self.choice.replica is None:
                if self.choice.again_us != 0:
                    self.wake(model, self.choice.again_us)
                break
            if self.batch_wait_us != 0 and self.defers(model, waiting, now_us):
                break
            if self.send_next(model, waiting, now_us) == 0:
                if self.choice.start_us <= now_us:      # all left to busy ones: look again if one of these is late
                    self.wake(model, max(self.choice.other_us, now_us + <uint64_t>RETRY_US))
                break
        return self.forecast(model, waiting, now_us)

    cdef int send_next(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1:
        """One batch for the replica of the choice. 0 if it found no task that it could take or drop."""
        cdef Replica replica = self.choice.replica
        cdef InFlightBatch* batch
        cdef vector[uint32_t] dropped
        cdef uint32_t slot
        cdef bint has_moved
        model.queue.pop_batch_at(self.choice.size, now_us, self.choice.start_us, self.choice.other_us,
                                 self.choice.estimate, self.batch, dropped, self.spared)
        for slot in self.spared:
            if model.queue.requeue(slot) != 0:      # as many places as slots: there always is one
                dropped.push_back(slot)
        has_moved = not self.batch.empty() or not dropped.empty()
        model.waits_since_us = 0
        if not self.batch.empty():
            batch = self.begin(replica, now_us)
            batch.slots.swap(self.batch)
            batch.was_full = batch.slots.size() >= self.choice.size
            model.counters.sent_ahead += batch.was_ahead
            model.hedge_budget.earn(batch.slots.size(), self.hedge_ratio)
            self.send(model, replica, batch, now_us)
        for slot in dropped:
            model.counters.early_drops += 1
            self.sink.drop(slot, now_us)
        return has_moved

    cdef InFlightBatch* begin(self, Replica replica, uint64_t now_us) noexcept:
        cdef InFlightBatch* batch = &replica.in_flight.begin(self.next_batch_id, now_us)
        self.next_batch_id += 1
        return batch

    cdef int send(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1:
        batch.predicted_us = replica.finish_model.estimate().finish_us(0, batch.slots.size())
        if self.hedge_ratio > 0.0 and model.ready_count > 1 and batch.twin_replica == NULL:
            self.plan_hedge(model, replica, batch, now_us)
        model.counters.batches += 1
        model.counters.batch_size.record(batch.slots.size())
        return self.sink.send(model, replica, batch, now_us)

    cdef int send_probe(self, Replica replica, uint32_t slot, uint64_t now_us) except -1:
        """Sends the model's sample, which is in the slot, to this very replica."""
        cdef InFlightBatch* batch = self.begin(replica, now_us)
        batch.is_probe = True
        batch.slots.push_back(slot)
        return self.sink.send(<ModelRuntime>replica.model, replica, batch, now_us)

    cdef bint defers(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1:
        """Whether the batch should wait for more tasks: it can grow, it would gain, and all would still be in time.

        (Deferred dispatch: Chen et al., *Symphony*, 2023.)
        """
        cdef FinishEstimate estimate = self.choice.estimate
        cdef uint64_t full_us, latest_us, earliest_us
        # So many as there were lately are here: nobody is left to wait for. With one client that is always so.
        if self.note_peak(model, waiting, now_us) or waiting >= self.choice.size:
            return False
        if <double>estimate.base_us <= GAIN_RATIO * <double>estimate.finish_us(0, waiting):
            return False
        if model.waits_since_us == 0:
            model.waits_since_us = now_us
        full_us = estimate.finish_us(0, self.choice.size)
        earliest_us = model.queue.earliest_deadline_us()
        latest_us = earliest_us - full_us if earliest_us > full_us else 0
        latest_us = min(latest_us, model.waits_since_us + self.batch_wait_us)
        if latest_us <= now_us:
            return False
        self.wake(model, latest_us)
        return True

    cdef bint note_peak(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1:
        """Whether there were never more tasks at once, lately, than there are now."""
        cdef Replica replica
        for replica in model.replicas:
            waiting += replica.in_flight.item_count()
        return waiting >= model.peak.look(waiting, now_us)

    cdef int forecast(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1:
        """What admission goes by until the next run."""
        cdef Replica replica
        if self.batch_wait_us != 0:
            self.note_peak(model, waiting, now_us)
        model.admission.begin(now_us, waiting, model.slo_us)
        for replica in model.replicas:
            if replica.ready:
                model.admission.add(replica.predicted_free_us(now_us), likely_size(model, replica, now_us),
                                    replica.finish_model.estimate(), replica.error_ratio)
        model.admission.end()
        return 0

    cdef int wake(self, ModelRuntime model, uint64_t at_us) except -1:
        if at_us >= model.wake_us:
            return 0
        model.wake_us = at_us
        return self.sink.wake_at(model, at_us)

    # -- batches end -------------------------------------------------------------------------------------------------

    cdef int take_result(self, Replica replica, InFlightBatch* batch, uint64_t compute_us, uint64_t now_us,
                         vector[uint32_t]& slots) except -1:
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef InFlightBatch* twin = self.unlink(batch)
        cdef bint is_probe = batch.is_probe
        if not is_probe:
            self.learn(replica, batch, compute_us, now_us)
        if twin != NULL and batch.has_failed:             # the twin may still do better
            take_away(batch.slots, twin.slots)
        elif twin != NULL:
            model.counters.hedge_wins += batch.is_hedge
            take_away(twin.slots, batch.slots)
        slots.clear()
        slots.swap(batch.slots)
        replica.in_flight.end(batch)
        replica.free_since_us = now_us
        return 0 if is_probe else self.dispatch(model, now_us)

    cdef int learn(self, Replica replica, InFlightBatch* batch, uint64_t compute_us, uint64_t now_us) except -1:
        cdef ModelRuntime model = <ModelRuntime>replica.model
        # One that was sent ahead was not served before the one before it.
        cdef uint64_t duration_us = replica.service_us(batch, now_us)
        cdef uint64_t rpc_us = duration_us - compute_us if duration_us > compute_us else 0
        cdef uint32_t size = <uint32_t>batch.slots.size()
        replica.batches += 1
        replica.items += size
        replica.controller.observe(size, batch.was_full, duration_us)
        replica.finish_model.observe(size, duration_us)
        replica.measure_error(duration_us, batch.predicted_us)
        if model.ready_count > 1:               # with nobody to hedge with it is not worth its logarithm
            replica.stretch.record(duration_us, batch.predicted_us)
        if not batch.was_ahead:
            replica.measure_rpc(rpc_us, duration_us)
        model.counters.record_stage(Stage.Rpc, rpc_us)
        model.counters.record_stage(Stage.Compute, compute_us)
        return 0

    cdef int give_up(self, Replica replica, bint may_requeue, uint64_t now_us, vector[uint32_t]& lost) except -1:
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef InFlightBatch* batch
        cdef InFlightBatch* twin
        cdef uint32_t slot
        lost.clear()
        while not replica.in_flight.empty():
            batch = &replica.in_flight.front()
            twin = self.unlink(batch)
            if twin != NULL:
                take_away(batch.slots, twin.slots)
            for slot in batch.slots:
                if slot == kAnswered:
                    continue
                if (may_requeue and not batch.is_probe and self.pool.drop_deadline_us(slot) > now_us
                        and model.queue.requeue(slot) == 0):
                    model.counters.requeues += 1
                else:
                    lost.push_back(slot)
            replica.in_flight.end(batch)
        return 0

    # -- hedging -----------------------------------------------------------------------------------------------------

    cdef int plan_hedge(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1:
        """Says from when on the batch counts as stuck: later than 99 of 100 batches of its replica."""
        cdef Replica sibling
        cdef double stretch = replica.stretch.p99()
        cdef double stuck_us
        if stretch == 0.0:                      # it has served too few to say: then as its siblings'
            for sibling in model.replicas:
                stretch = max(stretch, sibling.stretch.p99())
        stuck_us = <double>batch.predicted_us * stretch
        if stuck_us <= 0.0 or stuck_us >= 9.0e15:
            return 0
        batch.hedge_us = (replica.predicted_free_us(now_us) - batch.predicted_us
                          + max(<uint64_t>stuck_us, batch.predicted_us + <uint64_t>HEDGE_FLOOR_US))
        model.hedge_us = min(model.hedge_us, batch.hedge_us)
        return self.wake(model, batch.hedge_us)

    cdef int hedge(self, ModelRuntime model, uint64_t now_us) except -1:
        """Sends what is in stuck batches to other replicas, too."""
        cdef Replica replica
        cdef InFlightBatch* batch
        cdef size_t position
        cdef uint64_t next_us = kNeverUs
        for replica in model.replicas:
            for position in range(replica.in_flight.size()):
                batch = &replica.in_flight.at(position)
                if batch.hedge_us <= now_us and self.hedge_batch(model, replica, batch, now_us) != 0:
                    batch.hedge_us = kNeverUs
                next_us = min(next_us, batch.hedge_us)
        # One that found nobody is looked at again when a batch ends, and that is when there may be somebody.
        model.hedge_us = next_us
        return self.wake(model, next_us) if next_us > now_us and next_us != kNeverUs else 0

    cdef int hedge_batch(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1:
        """1 if there is nothing more to do for the batch; 0: nobody has room now."""
        cdef uint64_t most = min(model.hedge_budget.affordable(), <uint64_t>batch.slots.size())
        cdef uint64_t finish_us
        cdef InFlightBatch* twin
        cdef Replica other
        cdef uint32_t slot
        if most == 0:
            return 1
        other = self.choice.earliest(model, replica, most, now_us)
        if other is None:
            return 0
        most = min(most, <uint64_t>other.controller.next_size(now_us))
        finish_us = other.finish_model.estimate().finish_us(other.predicted_free_us(now_us), most)
        self.batch.clear()
        for slot in batch.slots:
            if slot != kAnswered and self.batch.size() < most and self.pool.drop_deadline_us(slot) >= finish_us:
                self.batch.push_back(slot)
        if self.batch.empty():
            return 1
        twin = self.begin(other, now_us)
        twin.slots.swap(self.batch)
        twin.is_hedge = True
        twin.twin_replica, twin.twin_id = <void*>replica, batch.id
        batch.twin_replica, batch.twin_id = <void*>other, twin.id
        model.hedge_budget.spend(twin.slots.size())
        model.counters.hedges += 1
        model.counters.hedged_tasks += twin.slots.size()
        self.send(model, other, twin, now_us)
        return 1

    cdef InFlightBatch* unlink(self, InFlightBatch* batch) noexcept:
        """Ends the tie between two twins; returns the other one, NULL if there is none."""
        cdef InFlightBatch* twin
        if batch.twin_replica == NULL:
            return NULL
        twin = (<Replica>batch.twin_replica).in_flight.find(batch.twin_id)
        batch.twin_replica = twin.twin_replica = NULL
        return twin

    # -- for simulations and tests: the same, driven from Python -----------------------------------------------------

    def add_replica(self, ModelRuntime model, str replica_id, uint64_t now_us=0):
        cdef Replica replica = Replica(replica_id, "", None, b"", model, model.new_controller(), FinishModel())
        replica.ready = True
        replica.free_since_us = now_us
        model.replicas.append(replica)
        model.ready_count += 1
        return replica

    def remove_replica(self, Replica replica, uint64_t now_us):
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef vector[uint32_t] lost
        model.replicas.remove(replica)
        model.ready_count -= <int>replica.ready
        replica.ready = False
        self.give_up(replica, True, now_us, lost)
        return lost

    def push_task(self, ModelRuntime model, uint32_t slot, uint64_t slo_us, uint64_t now_us):
        self.slots._check(slot)
        if not self.admits(model, self.pool.deadline_us(slot), now_us):
            model.counters.not_admitted += 1
            return "late"
        if model.queue.push(slot, slo_us) != 0:
            return "full"
        model.admission.pushed()
        model.counters.tasks += 1
        return "queued"

    def dispatch_at(self, ModelRuntime model, uint64_t now_us):
        self.dispatch(model, now_us)

    def finish_batch(self, Replica replica, uint64_t batch_id, uint64_t compute_us, uint64_t now_us,
                     *, bint has_failed=False):
        cdef vector[uint32_t] slots
        cdef InFlightBatch* batch = replica.in_flight.find(batch_id)
        if batch != NULL:
            batch.has_failed = has_failed
            self.take_result(replica, batch, compute_us, now_us, slots)
        return [slot for slot in slots if slot != kAnswered]
