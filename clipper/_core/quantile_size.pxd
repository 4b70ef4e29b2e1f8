# A batch-size controller that fits an upper quantile of duration on size. Pure: sizes, durations and the time come in.
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.batch_size cimport BatchSizeController


cdef class QuantileBatchSize(BatchSizeController):
    # what it aims at
    cdef readonly uint64_t slo_us               # smallest end-to-end SLO linked to the model
    cdef readonly uint64_t overhead_us          # measured: what a batch costs beside its own duration
    cdef readonly uint64_t target_us            # where the quantile of the duration is to be
    cdef readonly uint32_t max_size
    # where it stands
    cdef double _cap                            # next_size() is its whole part
    cdef bint _searching                        # the cap may double: no full batch was beyond the target yet
    cdef uint32_t _unprobed                     # full batches since a larger size was tried
    # the line through the durations: weighted means over the batches seen, the newest weighing most
    cdef double _weight                         # sum of weights; 0 = nothing seen
    cdef double _mean_size
    cdef double _mean_us
    cdef double _var_size
    cdef double _covariance                     # of size and duration
    cdef double _slope_us                       # per item; outlives the spread of sizes that it was learned from
    cdef int _surprise                          # the last batch was far above (+1) or below (-1) the line
    # from the line to the quantile
    cdef double _ratio                          # upper quantile of duration / line

    cdef double _line_us(self, double size) noexcept
    cdef bint _is_believed(self, double size, double duration_us) noexcept
    cdef void _fit(self, double size, double duration_us) noexcept
    cdef double _size_within(self, double target_us) noexcept
    cdef void _move(self, double size, double duration_us) noexcept
