# Hop 7: from when on a replica is taken for broken. Pure: times in, verdicts out; RpcServer acts on them.
from libc.stdint cimport uint64_t

from clipper._core.replica cimport Replica

cdef enum LivenessVerdict:
    LIVENESS_FINE = 0
    LIVENESS_SILENT = 1             # nothing was heard for the silence limit
    LIVENESS_OVERDUE = 2            # it holds a batch beyond the batch limit; it may well be heard of
    LIVENESS_GONE = 3               # silent for so long that nothing is expected any more

cdef enum:
    ABSENCES_KEPT = 64              # of this process's own; at one a look they reach back further than any limit counts


cdef class RpcLiveness:
    # limits; docs/rpc-protocol.md and docs/reliability.md tell them
    cdef readonly uint64_t look_interval_us
    cdef readonly uint64_t silence_limit_us
    cdef public uint64_t overdue_floor_us       # no batch is overdue before
    cdef readonly uint64_t first_batch_limit_us # the same of a replica that has answered none
    # looks of this process that came late, newest last, as a ring: when, and by how much
    cdef uint64_t _looked_us
    cdef uint64_t _absence_at_us[ABSENCES_KEPT]
    cdef uint64_t _absence_us[ABSENCES_KEPT]
    cdef uint64_t _absences

    cdef int look(self, uint64_t now_us) noexcept               # a look begins; RpcServer has heard what there was
    cdef LivenessVerdict judge(self, Replica replica, uint64_t now_us) noexcept
    cdef uint64_t replica_silence_limit_us(self, Replica replica) noexcept
    cdef uint64_t elapsed_us(self, uint64_t since_us, uint64_t now_us) noexcept
    cdef uint64_t batch_limit_us(self, uint64_t predicted_us, bint has_answered, uint64_t slowest_us) noexcept
    cdef uint64_t _limit_of_batch(self, Replica replica) noexcept
