# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What becomes of a batch when its replica answers, fails, or is lost."""

import json

import cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from libcpp.string cimport string

from clipper._core.in_flight cimport kAnswered
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.output cimport Output
from clipper._core.query cimport MemberState
from clipper._core.reply cimport append_json_string
from clipper._core.rpc_codec cimport ItemResult
from clipper._core.slot_pool cimport SlotPool

# What a container is told about a sample. Nobody waits for it; management bounds the whole of a start.
cdef enum:
    PROBE_DEADLINE_US = 60_000_000


@cython.final
cdef class BatchResults(ReplicaEvents):
    def __init__(self, QueryProcessor processor, lookup):
        self.processor = processor
        self.lookup = lookup

    cdef int take_batch(self, Replica replica, InFlightBatch* batch, uint64_t compute_us, uint64_t now_us) except -1:
        """Self.slots become the batch's tasks; the replica is given the next one before anybody is answered."""
        cdef ModelRuntime model = <ModelRuntime>replica.model
        if self.processor.log.live != 0:
            self.processor.log.result(replica, batch, self.processor.tasks, compute_us, now_us)
        self.processor.dispatcher.take_result(replica, batch, compute_us, now_us, self.slots)
        if replica.drain_waits and model.queue.depth() == 0:
            self.processor.rpc.drain_waiting(model)
        return 0

    cdef int on_batch_result(self, Replica replica, InFlightBatch* batch, vector[ItemResult]& items,
                             uint64_t compute_us, uint64_t now_us) except -1:
        cdef size_t index
        cdef MemberState state
        cdef str cause = None
        cdef uint64_t batch_id = batch.id
        if batch.is_probe:
            if items[0].failed:
                cause = json.loads(items[0].output.text[:items[0].output.bytes])
            items[0].output.release()
            items.clear()
            return self.end_probe(replica, batch, cause, now_us)
        self.take_batch(replica, batch, compute_us, now_us)
        for index in range(items.size()):
            state = MemberState.Answered
            if items[index].failed:
                state = MemberState.Failed
                self.ends(replica, batch_id)
            if self.slots[index] != kAnswered:
                self.processor.complete_task(self.slots[index], state, items[index].output, now_us)
            items[index].output.release()
        items.clear()
        return self.ends(None, 0)

    cdef int on_batch_failed(self, Replica replica, InFlightBatch* batch, const string& cause, uint64_t compute_us,
                             uint64_t now_us) except -1:
        cdef string quoted
        cdef Output* output
        cdef uint32_t slot
        cdef uint64_t batch_id = batch.id
        if batch.is_probe:
            return self.end_probe(replica, batch, cause.decode("utf-8", "replace"), now_us)
        replica.failed_batches += 1
        append_json_string(quoted, cause.data(), cause.size())
        batch.has_failed = True
        self.take_batch(replica, batch, compute_us, now_us)
        output = Output.create(quoted.data(), <uint32_t>quoted.size())
        self.ends(replica, batch_id)
        for slot in self.slots:
            if slot != kAnswered:
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
        cdef bytes probe = (<ModelRuntime>replica.model).probe
        cdef SlotPool* pool = self.processor.pool
        cdef int64_t slot = pool.acquire(len(probe))
        if slot < 0:                           # no room: better cold than not at all
            return self.processor.rpc.end_probe(replica, None, now_us)
        memcpy(pool.payload(<uint32_t>slot), <const char*>probe, len(probe))
        pool.set_deadlines(<uint32_t>slot, now_us + PROBE_DEADLINE_US, now_us + PROBE_DEADLINE_US)
        return self.processor.dispatcher.send_probe(replica, <uint32_t>slot, now_us)

    cdef int end_probe(self, Replica replica, InFlightBatch* batch, str cause, uint64_t now_us) except -1:
        cdef ModelRuntime model = <ModelRuntime>replica.model
        self.processor.dispatcher.take_result(replica, batch, 0, now_us, self.slots)
        self.processor.pool.release(self.slots[0])
        if cause is not None:
            cause = f"the sample input failed: {cause}" if model.probe_must_succeed else None
        return self.processor.rpc.end_probe(replica, cause, now_us)

    cdef int on_replica_ready(self, Replica replica, uint64_t now_us) except -1:
        return self.processor.dispatcher.dispatch(<ModelRuntime>replica.model, now_us)

    cdef int on_replica_lost(self, Replica replica, uint64_t now_us) except -1:
        """Its batches are queued again where deadlines allow: evaluated at least once, answered exactly once."""
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef QueryProcessor processor = self.processor
        cdef bint is_over = model.retired and model.ready_count == 0       # nobody comes who could answer
        cdef MemberState missed = MemberState.NoReplica if is_over else MemberState.Deadline
        cdef InFlightBatch* front
        cdef vector[uint32_t] lost
        cdef uint32_t slot
        cdef uint64_t batch_id
        if replica.in_flight.empty():
            return processor.end_queue(model, now_us) if is_over else 0
        front = &replica.in_flight.front()
        batch_id = front.id
        if front.is_probe:
            processor.dispatcher.take_result(replica, front, 0, now_us, lost)
            processor.pool.release(lost[0])
            return processor.end_queue(model, now_us) if is_over else 0
        processor.dispatcher.give_up(replica, not is_over, now_us, lost)
        self.ends(replica, batch_id)
        for slot in lost:
            processor.complete_task(slot, missed, NULL, now_us)
        self.ends(None, 0)
        if is_over:
            processor.end_queue(model, now_us)
        processor.server.turn_now_us()         # opens a turn, whose end dispatches what was queued again
        return processor.mark_dirty(model)

    cdef ModelRuntime find_model(self, str name, str version):
        return self.lookup(name, version)

    cdef int on_messages_done(self, uint64_t now_us) except -1:
        self.processor.arm()
        return self.processor.server.flush()
