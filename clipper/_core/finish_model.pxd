# How long a batch of n takes on one replica: duration = base + n * per_item, fitted with forgetting. Pure.
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.finish_estimate cimport FinishEstimate


cdef class FinishModel:
    # weighted means over the batches seen, the newest weighing most; durations in us
    cdef double _weight                 # sum of weights; 0 = nothing seen
    cdef double _mean_size
    cdef double _mean_us
    cdef double _var_size               # variance of size
    cdef double _covariance             # of size and duration
    cdef double _slope_us               # per item; outlives the spread of sizes that it was learned from
    cdef double _forget                 # weight of yesterday's batch after today's, 0..1
    cdef int _surprise                  # the last batch was +1 far slower, -1 far faster than predicted, 0 neither

    cdef void observe(self, uint32_t size, uint64_t duration_us) noexcept
    cdef FinishEstimate estimate(self) noexcept
    cdef uint64_t longest_us(self, uint32_t size) noexcept
    cdef double _predict(self, double size) noexcept
    cdef void _rescale(self, double ratio) noexcept
    cdef void _fit(self, double size, double duration_us) noexcept
