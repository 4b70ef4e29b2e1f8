# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Queued tasks become batches for replicas (hop 6)."""

import cython

from clipper._core.counters cimport Stage
from clipper._core.finish_model cimport FinishModel


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


@cython.final
cdef class Dispatcher:
    def __init__(self, SlotPoolHandle slots, BatchSink sink):
        self.slots = slots
        self.pool = slots.pool
        self.sink = sink
        self.next_batch_id = 1

    # -- tasks become batches ----------------------------------------------------------------------------------------

    cdef int dispatch(self, ModelRuntime model, uint64_t now_us) except -1:
        """Gives every idle replica a batch, as long as tasks wait; drops those that cannot be met any more."""
        cdef Replica replica
        cdef vector[uint32_t] dropped
        cdef uint32_t slot, size
        while model.queue.depth() > 0:
            replica = model.pick_idle(now_us)
            if replica is None:
                return 0
            size = replica.controller.next_size(now_us)
            self.batch.clear()
            model.queue.pop_batch(size, now_us, replica.finish_model.estimate(), self.batch, dropped)
            if not self.batch.empty():
                self.send(model, replica, size, now_us)
            elif dropped.empty():
                return 0
            for slot in dropped:
                model.counters.early_drops += 1
                self.sink.drop(slot, now_us)
            dropped.clear()
        return 0

    cdef int send(self, ModelRuntime model, Replica replica, uint32_t size, uint64_t now_us) except -1:
        """Gives self.batch to the replica, which may have been `size` large."""
        cdef InFlightBatch* batch = &replica.in_flight.begin(self.next_batch_id, now_us)
        self.next_batch_id += 1
        batch.slots.swap(self.batch)
        batch.was_full = batch.slots.size() >= size
        batch.predicted_us = replica.finish_model.estimate().finish_us(0, batch.slots.size())
        model.counters.batches += 1
        model.counters.batch_size.record(batch.slots.size())
        return self.sink.send(model, replica, batch, now_us)

    cdef int send_probe(self, Replica replica, uint32_t slot, uint64_t now_us) except -1:
        """Sends the model's sample, which is in the slot, to this very replica."""
        cdef InFlightBatch* batch = &replica.in_flight.begin(self.next_batch_id, now_us)
        self.next_batch_id += 1
        batch.is_probe = True
        batch.slots.push_back(slot)
        return self.sink.send(<ModelRuntime>replica.model, replica, batch, now_us)

    # -- batches end -------------------------------------------------------------------------------------------------

    cdef int take_result(self, Replica replica, InFlightBatch* batch, uint64_t compute_us, uint64_t now_us,
                         vector[uint32_t]& slots) except -1:
        cdef ModelRuntime model = <ModelRuntime>replica.model
        # One that was sent ahead was not served before the one before it.
        cdef uint64_t duration_us = now_us - replica.service_start_us(batch)
        cdef uint32_t size = <uint32_t>batch.slots.size()
        cdef bint is_probe = batch.is_probe
        slots.clear()
        slots.swap(batch.slots)
        if not is_probe:
            replica.batches += 1
            replica.items += size
            replica.controller.observe(size, batch.was_full, duration_us)
            replica.finish_model.observe(size, duration_us)
            model.counters.record_stage(Stage.Rpc, duration_us - compute_us if duration_us > compute_us else 0)
            model.counters.record_stage(Stage.Compute, compute_us)
        replica.in_flight.end(batch)
        replica.free_since_us = now_us
        return 0 if is_probe else self.dispatch(model, now_us)

    cdef int give_up(self, Replica replica, bint may_requeue, uint64_t now_us, vector[uint32_t]& lost) except -1:
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef InFlightBatch* batch
        cdef uint32_t slot
        lost.clear()
        while not replica.in_flight.empty():
            batch = &replica.in_flight.front()
            for slot in batch.slots:
                if (may_requeue and not batch.is_probe and self.pool.drop_deadline_us(slot) > now_us
                        and model.queue.requeue(slot) == 0):
                    model.counters.requeues += 1
                else:
                    lost.push_back(slot)
            replica.in_flight.end(batch)
        return 0

    # -- for simulations and tests: the same, driven from Python -----------------------------------------------------

    def add_replica(self, ModelRuntime model, str replica_id):
        cdef Replica replica = Replica(replica_id, "", None, b"", model, model.new_controller(), FinishModel())
        replica.ready = True
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
        if model.queue.push(slot, slo_us) != 0:
            return "full"
        return "queued"

    def dispatch_at(self, ModelRuntime model, uint64_t now_us):
        self.dispatch(model, now_us)

    def finish_batch(self, Replica replica, uint64_t batch_id, uint64_t compute_us, uint64_t now_us):
        cdef vector[uint32_t] slots
        cdef InFlightBatch* batch = replica.in_flight.find(batch_id)
        if batch != NULL:
            self.take_result(replica, batch, compute_us, now_us, slots)
        return slots
