# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the dispatcher decides becomes messages, answers and timers."""

import cython
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.counters cimport Stage
from clipper._core.in_flight cimport InFlightBatch
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.query cimport MemberState
from clipper._core.replica cimport Replica


@cython.final
cdef class BatchSender(BatchSink):
    def __init__(self, QueryProcessor processor):
        self.processor = processor

    def wire(self, RpcServer rpc):
        self.rpc = rpc

    cdef int send(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1:
        """Hands a batch to the RPC; a replica that is gone is lost, and its batches queued again."""
        cdef uint32_t slot
        cdef uint64_t pushed_us, ready_us, oldest_us = now_us
        if not batch.is_probe and not batch.is_hedge:
            for slot in batch.slots:
                pushed_us = self.processor.tasks[slot].pushed_us
                oldest_us = min(oldest_us, pushed_us)
                model.counters.record_stage(Stage.Queue, now_us - pushed_us)
            # How long a task and a free replica were both there: what batching itself costs.
            ready_us = max(replica.free_since_us, oldest_us)
            model.counters.record_stage(Stage.BatchWait, now_us - ready_us if now_us > ready_us else 0)
        if self.rpc.send_batch(replica, batch, self.processor.pool, now_us) != 0:
            self.rpc.lose(replica, "its connection is gone", now_us)
        elif self.processor.log.live != 0 and not batch.is_probe:
            self.processor.log.sent(replica, batch, self.processor.tasks, now_us)
        return 0

    cdef int drop(self, uint32_t slot, uint64_t now_us) except -1:
        return self.processor.complete_task(slot, MemberState.Deadline, NULL, now_us)

    cdef int wake_at(self, ModelRuntime model, uint64_t at_us) except -1:
        return self.processor.wake_at(model, at_us)
