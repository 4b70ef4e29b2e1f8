# A batch-size controller that fits an upper quantile of duration on size. Pure: sizes, durations and the time come in.
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.batch_size cimport AimedBatchSize
from clipper._core.duration_line cimport DurationLine


cdef class QuantileBatchSize(AimedBatchSize):
    # where it stands
    cdef double _cap                            # next_size() is its whole part
    cdef bint _searching                        # the cap may double: no full batch was beyond the target yet
    cdef uint32_t _unprobed                     # full batches since a larger size was tried
    # what it knows
    cdef DurationLine _line
    cdef double _ratio                          # upper quantile of duration / line

    cdef bint _is_believed(self, double size, double duration_us) noexcept
    cdef double _size_within(self, double target_us) noexcept
    cdef void _move(self, double size, double duration_us) noexcept
