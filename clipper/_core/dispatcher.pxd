# Hop 6: queued tasks become batches for replicas. Knows neither sockets nor HTTP nor a clock: what it decides it tells
# a BatchSink, which is the RPC in the product and a simulated world in a simulation.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.in_flight cimport InFlightBatch
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.replica cimport Replica
from clipper._core.replica_choice cimport ReplicaChoice
from clipper._core.slot_pool cimport SlotPool, SlotPoolHandle


cdef class BatchSink:
    # The batch is the last of the replica's table, and valid during the call. A replica that is gone may be given up
    # (give_up) before the call returns.
    cdef int send(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1
    # A claimed task whose deadline cannot be met: the sink answers for it and releases the slot.
    cdef int drop(self, uint32_t slot, uint64_t now_us) except -1
    # Calls Dispatcher.dispatch of the model at this time, or soon after; earlier wishes of the model hold, too.
    cdef int wake_at(self, ModelRuntime model, uint64_t at_us) except -1


cdef class Dispatcher:
    cdef BatchSink sink
    cdef SlotPoolHandle slots               # keeps `pool` alive
    cdef SlotPool* pool
    cdef uint64_t next_batch_id
    # options
    cdef readonly uint64_t batch_wait_us    # longest wait for a batch to grow; 0 = none
    cdef readonly double hedge_ratio        # tasks sent twice, as a share of all; 0 = none
    cdef readonly bint admission            # whether tasks are refused that are predicted to be late
    # reuse
    cdef ReplicaChoice choice
    cdef vector[uint32_t] batch
    cdef vector[uint32_t] spared

    # Whether a task that is pushed now may wait in the queue; after the push: model.admission.pushed().
    cdef bint admits(self, ModelRuntime model, uint64_t deadline_us, uint64_t now_us) noexcept
    cdef int dispatch(self, ModelRuntime model, uint64_t now_us) except -1
    cdef int send_probe(self, Replica replica, uint32_t slot, uint64_t now_us) except -1
    # A batch has been answered, or has failed as a whole: `slots` become its tasks, claimed, in the order of its items;
    # kAnswered stands for those that its twin has answered, or still may. The replica has learned from it and may have
    # been given the next one.
    cdef int take_result(self, Replica replica, InFlightBatch* batch, uint64_t compute_us, uint64_t now_us,
                         vector[uint32_t]& slots) except -1
    # The replica gets no answer any more to what it has in hand: its tasks are queued again where `may_requeue` and
    # their deadlines allow; the others become `lost`, claimed.
    cdef int give_up(self, Replica replica, bint may_requeue, uint64_t now_us, vector[uint32_t]& lost) except -1

    cdef int send_next(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1
    cdef int send(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1
    cdef InFlightBatch* begin(self, Replica replica, uint64_t now_us) noexcept
    cdef bint defers(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1
    cdef bint note_peak(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1
    cdef int forecast(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1
    cdef int wake(self, ModelRuntime model, uint64_t at_us) except -1
    cdef int learn(self, Replica replica, InFlightBatch* batch, uint64_t compute_us, uint64_t now_us) except -1
    # hedging
    cdef int plan_hedge(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1
    cdef int hedge(self, ModelRuntime model, uint64_t now_us) except -1
    cdef int hedge_batch(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1
    cdef InFlightBatch* unlink(self, InFlightBatch* batch) noexcept
