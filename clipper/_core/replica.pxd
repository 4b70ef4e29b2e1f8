# Hop 6 to 7: one running container of a model version, as the worker that owns it sees it.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.batch_size cimport BatchSizeController
from clipper._core.finish_model cimport FinishModel


cdef class Replica:
    # who it is
    cdef readonly str replica_id
    cdef readonly str nonce                 # random per container process: tells a reconnect from an impostor
    cdef readonly object transport          # RpcTransport on which it is connected
    cdef readonly bytes identity            # of its present connection there
    cdef readonly object model              # ModelRuntime
    cdef int session_state                  # SessionState; changed by RpcServer alone, through the table
    cdef bint ready                         # may be given a batch: the session is READY
    cdef bint probing                       # the batch in service is the model's sample, which nobody waits for
    cdef bint drain_waits                   # asked to leave, when the queue that only it can answer is empty
    # how fast it is
    cdef public BatchSizeController controller
    cdef readonly FinishModel finish_model
    # the batch in service; empty when idle
    cdef bint busy
    cdef bint batch_was_full
    cdef uint64_t batch_id
    cdef uint64_t sent_us
    cdef uint64_t idle_since_us
    cdef vector[uint32_t] slots
    # liveness
    cdef uint64_t last_seen_us
    cdef uint64_t owed_batch_id             # given up when it was suspected: it has this to answer first; 0 = nothing
    cdef uint64_t owed_since_us             # when that was sent, if it was overdue; 0 = it was silent
    cdef uint64_t slowest_us                # the longest batch that was overdue and came all the same; fades
    # counters
    cdef readonly uint64_t batches
    cdef readonly uint64_t items
    cdef readonly uint64_t failed_batches
