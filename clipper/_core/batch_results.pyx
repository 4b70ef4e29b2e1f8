# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What becomes of a batch when its replica answers, fails, or is lost."""

import json

import cython
from libcpp.string cimport string

from clipper._core.counters cimport Stage
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.output cimport Output
from clipper._core.query cimport MemberState
from clipper._core.reply cimport append_json_string
from clipper._core.rpc_codec cimport ItemResult


@cython.final
cdef class BatchResults(ReplicaEvents):
    def __init__(self, QueryProcessor processor, lookup):
        self.processor = processor
        self.lookup = lookup

    cdef int take_batch(self, Replica replica, uint64_t compute_us, uint64_t now_us) except -1:
        """The replica is idle again: learn from the batch, and give it the next one before anybody is answered."""
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef uint64_t duration_us = now_us - replica.sent_us
        cdef uint32_t size = <uint32_t>replica.slots.size()
        self.slots.clear()
        self.slots.swap(replica.slots)
        if self.processor.log.live != 0:
            self.processor.log.result(replica, self.slots, self.processor.tasks, compute_us, now_us)
        replica.busy = False
        replica.idle_since_us = now_us
        replica.batches += 1
        replica.items += size
        replica.controller.observe(size, replica.batch_was_full, duration_us)
        replica.finish_model.observe(size, duration_us)
        model.counters.record_stage(Stage.Rpc, duration_us - compute_us if duration_us > compute_us else 0)
        model.counters.record_stage(Stage.Compute, compute_us)
        self.processor.dispatch(model, now_us)
        if replica.drain_waits and model.queue.depth() == 0:
            self.processor.rpc.drain_waiting(model)
        return 0

    cdef int on_batch_result(self, Replica replica, vector[ItemResult]& items, uint64_t compute_us,
                             uint64_t now_us) except -1:
        cdef size_t index
        cdef MemberState state
        cdef str cause = None
        cdef uint64_t batch_id = replica.batch_id      # before it is given the next one
        if replica.probing:
            if items[0].failed:
                cause = json.loads(items[0].output.text[:items[0].output.bytes])
            items[0].output.release()
            items.clear()
            return self.end_probe(replica, cause, now_us)
        self.take_batch(replica, compute_us, now_us)
        for index in range(items.size()):
            state = MemberState.Answered
            if items[index].failed:
                state = MemberState.Failed
                self.ends(replica, batch_id)
            self.processor.complete_task(self.slots[index], state, items[index].output, now_us)
            items[index].output.release()
        items.clear()
        return self.ends(None, 0)

    cdef int on_batch_failed(self, Replica replica, const string& cause, uint64_t compute_us,
                             uint64_t now_us) except -1:
        cdef string quoted
        cdef Output* output
        cdef uint32_t slot
        cdef uint64_t batch_id = replica.batch_id
        if replica.probing:
            return self.end_probe(replica, cause.decode("utf-8", "replace"), now_us)
        replica.failed_batches += 1
        append_json_string(quoted, cause.data(), cause.size())
        self.take_batch(replica, compute_us, now_us)
        output = Output.create(quoted.data(), <uint32_t>quoted.size())
        self.ends(replica, batch_id)
        for slot in self.slots:
            self.processor.complete_task(slot, MemberState.Failed, output, now_us)
        output.release()
        return self.ends(None, 0)

    cdef int ends(self, Replica replica, uint64_t batch_id) except -1:
        """Notes whose tasks are being ended, for what the log says of their queries; None when that is done."""
        self.processor.log.ending = replica
        self.processor.log.ending_batch_id = batch_id
        return 0

    cdef int on_replica_loaded(self, Replica replica, uint64_t now_us) except -1:
        """Sends the model's sample as a batch of its own, which nobody waits for and nothing is learned from."""
        if self.processor.send_probe(replica, now_us) != 0:
            self.processor.rpc.end_probe(replica, None, now_us)     # no room: better cold than not at all
        return 0

    cdef int end_probe(self, Replica replica, str cause, uint64_t now_us) except -1:
        cdef ModelRuntime model = <ModelRuntime>replica.model
        self.end_probe_batch(replica)
        replica.idle_since_us = now_us
        if cause is not None:
            cause = f"the sample input failed: {cause}" if model.probe_must_succeed else None
        return self.processor.rpc.end_probe(replica, cause, now_us)

    cdef int end_probe_batch(self, Replica replica) except -1:
        cdef uint32_t slot = replica.slots[0]
        replica.slots.clear()
        replica.busy = replica.probing = False
        self.processor.pool.release(slot)
        return 0

    cdef int on_replica_ready(self, Replica replica, uint64_t now_us) except -1:
        return self.processor.dispatch(<ModelRuntime>replica.model, now_us)

    cdef int on_replica_lost(self, Replica replica, uint64_t now_us) except -1:
        """Its batch is queued again where the deadlines allow: evaluated at least once, answered exactly once.

        For tasks that nobody waits for any more the cache alone would not be worth it.
        """
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef QueryProcessor processor = self.processor
        cdef bint is_over = model.retired and model.ready_count == 0       # nobody comes who could answer
        cdef MemberState missed = MemberState.NoReplica if is_over else MemberState.Deadline
        cdef vector[uint32_t] slots
        cdef uint32_t slot
        if replica.probing:
            self.end_probe_batch(replica)
        slots.swap(replica.slots)
        replica.busy = False
        self.ends(replica, replica.batch_id)
        for slot in slots:
            if (processor.tasks[slot].waiters != NULL and processor.tasks[slot].drop_deadline_us > now_us
                    and not is_over and model.queue.requeue(slot) == 0):
                model.counters.requeues += 1
            else:
                processor.complete_task(slot, missed, NULL, now_us)
        self.ends(None, 0)
        if is_over:
            processor.end_queue(model, now_us)
        if slots.empty():
            return 0
        processor.server.turn_now_us()         # opens a turn, whose end dispatches what was queued again
        return processor.mark_dirty(model)

    cdef ModelRuntime find_model(self, str name, str version):
        return self.lookup(name, version)

    cdef int on_messages_done(self, uint64_t now_us) except -1:
        self.processor.arm()
        return self.processor.server.flush()
