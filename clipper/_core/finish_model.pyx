# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Prediction of a batch's duration from its size: the line of `duration_line.hpp`, which believes nothing too soon."""

from cython cimport final
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.duration_line cimport LineVerdict
from clipper.errors import InvalidArgumentError

cdef double SURPRISE_RATIO = 3.0        # what is planned with it must not follow every wave of the model's speed
cdef double LONGEST_US = 9.0e15         # 285 years: keeps every estimate inside 64 bits


@final
cdef class FinishModel:
    def __init__(self, double forget_ratio=0.1):
        if not 0.0 < forget_ratio < 1.0:
            raise InvalidArgumentError(f"forget_ratio must be between 0 and 1; got {forget_ratio}")
        self._line.configure(SURPRISE_RATIO, 1.0 - forget_ratio)

    cdef void observe(self, uint32_t size, uint64_t duration_us) noexcept:
        cdef double duration = min(<double>duration_us, LONGEST_US)
        # A pause says nothing about size, and the slope that it would suggest keeps the batches so small that nothing
        # corrects it.
        if size != 0 and self._line.judge(size, duration) != LineVerdict.Slow:
            self._line.fit(size, duration)

    cdef FinishEstimate estimate(self) noexcept:
        cdef FinishEstimate estimate
        estimate.base_us = <uint64_t>(self._line.base_us() + 0.5)
        estimate.per_item_us = self._line.slope_us()
        return estimate

    cdef uint64_t longest_us(self, uint32_t size) noexcept:
        """What a batch may take if all of the mean batch's time turns out to be its items': no estimate, a bound."""
        if self._line.is_empty():
            return 0
        return <uint64_t>max(self._line.at(size), min(self._line.proportional(size), LONGEST_US))

    def record(self, uint32_t size, uint64_t duration_us):
        self.observe(size, duration_us)

    def predict_us(self, uint32_t size):
        return self.estimate().finish_us(0, size)

    def longest(self, uint32_t size):
        return self.longest_us(size)

    @property
    def base_us(self):
        return self.estimate().base_us

    @property
    def per_item_us(self):
        return self._line.slope_us()
