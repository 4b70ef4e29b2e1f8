# How long a batch of n takes on one replica: duration = base + n * per_item, fitted with forgetting. Pure.
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.duration_line cimport DurationLine
from clipper._core.finish_estimate cimport FinishEstimate


cdef class FinishModel:
    cdef DurationLine _line

    cdef void observe(self, uint32_t size, uint64_t duration_us) noexcept
    cdef FinishEstimate estimate(self) noexcept
    cdef uint64_t longest_us(self, uint32_t size) noexcept
