# How large may the next batch of a replica be? One controller a replica; pure: sizes, durations and the time come in.
from libc.stdint cimport uint32_t, uint64_t


cdef enum:
    DEFAULT_MAX_SIZE = 4096     # no model measured so far gained from more; bounds what one lost batch can hold


cdef class BatchSizeController:
    cpdef uint32_t next_size(self, uint64_t now_us) noexcept                    # the cap for the next batch, >= 1
    cpdef void observe(self, uint32_t size, bint was_full, uint64_t duration_us) noexcept   # one answered batch
    cpdef void set_target(self, uint64_t slo_us, uint64_t overhead_us) noexcept # the SLO or the overhead has changed


cdef class FixedBatchSize(BatchSizeController):
    cdef readonly uint32_t size


cdef class AimedBatchSize(BatchSizeController):
    # what it aims at
    cdef readonly uint64_t slo_us               # smallest end-to-end SLO linked to the model
    cdef readonly uint64_t overhead_us          # measured: what a batch costs beside its own duration (RPC, wake-ups)
    cdef readonly uint64_t target_us            # longest good duration of a full batch
    cdef readonly uint32_t max_size


cdef class AimdBatchSize(AimedBatchSize):
    # where it stands
    cdef double _cap                            # next_size() is its whole part
    cdef double _step                           # added after each good full batch
    cdef uint32_t _last_good                    # largest full batch within the target since the last violation
    cdef uint32_t _ceiling                      # the last violation; 0 = none yet
    cdef bint _growing                          # the step doubles: no violation yet, or beyond the ceiling
    cdef double _kept_ratio                     # what the next back-off keeps at most; less with each in a row
    cdef double _step_ratio                     # of the gap that the next back-off leaves; less while the ceiling holds
    cdef uint32_t _doubted_size                 # of a batch beyond the target, until one as large is good; 0 = none
    cdef uint64_t _doubted_us                   # how long it took

    cdef void _grow(self, uint32_t size) noexcept
    cdef void _violated(self, uint32_t size, uint64_t duration_us) noexcept
    cdef void _back_off(self, uint32_t size, double met_ratio) noexcept
