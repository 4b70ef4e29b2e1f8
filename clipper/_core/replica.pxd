# Hop 6 to 7: one running container of a model version, as the worker that owns it sees it.
from libc.stdint cimport uint64_t

from clipper._core.batch_size cimport BatchSizeController
from clipper._core.finish_model cimport FinishModel
from clipper._core.in_flight cimport InFlightBatch, InFlightTable
from clipper._core.straggler cimport StretchQuantile


cdef class Replica:
    # who it is
    cdef readonly str replica_id
    cdef readonly str nonce                 # random per container process: tells a reconnect from an impostor
    cdef readonly object transport          # RpcTransport on which it is connected
    cdef readonly bytes identity            # of its present connection there
    cdef readonly object model              # ModelRuntime
    cdef int session_state                  # SessionState; changed by RpcServer alone, through the table
    cdef bint ready                         # may be given a batch: the session is READY
    cdef bint drain_waits                   # asked to leave, when the queue that only it can answer is empty
    # how fast it is
    cdef public BatchSizeController controller
    cdef readonly FinishModel finish_model
    cdef StretchQuantile stretch            # of its batches' durations over the predicted ones
    cdef double error_ratio                 # by how much durations differ from the predicted ones, in the mean
    cdef double rpc_us                      # means over its batches, the newest weighing most: outside the model,
    cdef double batch_us                    # and in all
    # what it has in hand; its first batch is in service
    cdef InFlightTable in_flight
    cdef uint64_t free_since_us             # its last result, whether that was still wanted or not; at first, its birth
    # liveness
    cdef uint64_t last_seen_us
    # counters
    cdef readonly uint64_t batches
    cdef readonly uint64_t items
    cdef readonly uint64_t failed_batches

    # When the container began, or will begin, with a batch of the table, as far as that can be told from here.
    cdef uint64_t service_start_us(self, InFlightBatch* batch) noexcept
    # How long the container has had a batch of the table for itself, if it answers now.
    cdef uint64_t service_us(self, InFlightBatch* batch, uint64_t now_us) noexcept
    cdef void measure_error(self, uint64_t duration_us, uint64_t predicted_us) noexcept
    cdef void measure_rpc(self, uint64_t rpc_us, uint64_t duration_us) noexcept
    # When it will have answered what it has in hand; now when idle.
    cdef uint64_t predicted_free_us(self, uint64_t now_us) noexcept
    # How long it has had the batch in service; 0 when idle.
    cdef uint64_t held_us(self, uint64_t now_us) noexcept
