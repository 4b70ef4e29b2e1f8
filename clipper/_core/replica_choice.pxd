# Hop 6: which replica should have the next batch?
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.finish_estimate cimport FinishEstimate
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.replica cimport Replica


cdef class ReplicaChoice:
    # option: a batch is sent ahead where the RPC takes more than this share of a batch's time; 1 = never
    cdef readonly double ahead_ratio
    # the answer
    cdef Replica replica                    # None: nobody now
    cdef uint32_t size                      # how large the batch may be
    cdef uint64_t start_us                  # when the replica will begin with it
    cdef uint64_t other_us                  # when a batch for somebody else would be done; 2**64-1 = nobody else
    cdef FinishEstimate estimate            # of the replica
    cdef uint64_t again_us                  # nobody now, but ask again then; 0 = no need

    cdef int choose(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1
    cdef int choose_of_several(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1
    cdef int choose_ahead(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1
    cdef bint may_send_ahead(self, Replica replica, uint64_t waiting, uint64_t now_us) noexcept
    cdef int weigh_busy_ones(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1
    # The ready replica, idle or with room behind its batch, that could answer `size` tasks first; never `besides`.
    cdef Replica earliest(self, ModelRuntime model, Replica besides, uint64_t size, uint64_t now_us)


cdef FinishEstimate believed(Replica replica, uint64_t now_us) noexcept
