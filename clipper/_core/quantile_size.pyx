# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A batch-size controller by regression: an upper quantile of duration as a line over size (Crankshaw 2017 §4.3.1).

The paper solves a quantile regression over its last thousand batches. Here a batch costs a few operations: the line is
weighted least squares with forgetting, and the way from the mean to the quantile is one factor, moved by the gradient
of the pinball loss. Where durations scatter in proportion to their mean that is the same line. It needs no spread of
sizes, which a settled controller does not have: at one size the level is learned, and the slope that was last seen is
kept. A wrong slope then costs a step too many or too few, not the place at which the steps end.

One duration far off the line is not learned: a pause of a garbage collector says nothing about size. Two running that
are off in the same direction are another speed of the model, to which the whole line is scaled at once.
"""

from cython cimport final
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.duration_line cimport LineVerdict

cdef double QUANTILE = 0.9              # of ten batches one may exceed the target
cdef double RATIO_STEP = 0.02           # of the pinball gradient: a few tens of batches from the mean to the quantile
cdef double MAX_RATIO = 2.0             # a model that scatters more is planned for no better by smaller batches
cdef double FORGET = 0.9                # weight of the last batch after the next
cdef double SURPRISE_RATIO = 1.5        # beyond this factor off the line one batch alone is not believed
cdef double LONGEST_US = 9.0e15         # keeps every product finite
cdef double GROWTH_RATIO = 0.125        # of a settled cap, gained with one batch
cdef uint32_t PROBE_EVERY = 16          # full batches: the next size is tried now and then, whatever the line says
cdef double LEAST_RATIO = 0.5           # of the cap, kept with one batch
cdef double ROUNDING = 1e-6


@final
cdef class QuantileBatchSize(AimedBatchSize):
    def __cinit__(self, *_args, **_options):
        self._cap = self._ratio = 1.0
        self._searching = True
        self._line.configure(SURPRISE_RATIO, FORGET)

    cpdef uint32_t next_size(self, uint64_t now_us) noexcept:
        return <uint32_t>(self._cap + ROUNDING)

    cpdef void observe(self, uint32_t size, bint was_full, uint64_t duration_us) noexcept:
        cdef double duration = min(<double>duration_us, LONGEST_US)
        if size == 0:
            return
        if self._is_believed(size, duration):
            self._line.fit(size, duration)
        # A batch that was not full says nothing about the cap; one larger than the cap was sent before it fell.
        if was_full and size <= self.next_size(0):
            self._move(size, duration)

    cdef bint _is_believed(self, double size, double duration_us) noexcept:
        """Moves the quantile's factor; says whether the line may learn from the batch."""
        cdef double predicted = self._line.at(size)
        cdef LineVerdict verdict = self._line.judge(size, duration_us)
        if verdict == LineVerdict.Expected and duration_us > self._ratio * predicted + 1.0:     # whole microseconds
            self._ratio = min(self._ratio + RATIO_STEP * QUANTILE, MAX_RATIO)
        elif verdict == LineVerdict.Expected:
            self._ratio = max(self._ratio - RATIO_STEP * (1.0 - QUANTILE), 1.0)
        return verdict != LineVerdict.Slow and verdict != LineVerdict.Fast

    cdef double _size_within(self, double target_us) noexcept:
        """The size at which the line meets it; 0 if it is beyond for every size, the limit if for none."""
        cdef double slope_us = self._line.slope_us()
        if self._line.at(self.max_size) <= target_us:
            return self.max_size
        return max((target_us - self._line.base_us()) / slope_us, 0.0) if slope_us > 0.0 else 0.0

    cdef void _move(self, double size, double duration_us) noexcept:
        cdef double allowed = self._size_within(<double>self.target_us / self._ratio)
        cdef double growth = self._cap if self._searching else max(1.0, GROWTH_RATIO * self._cap)
        if self._line.is_surprised():
            return                          # the same size again: the next batch says what to make of this one
        if 2.0 * duration_us < self.target_us:
            self._searching = True          # far faster than it may be: the search begins, or begins anew
        elif duration_us > self.target_us or allowed < self._cap + growth:
            self._searching = False
        self._cap = min(max(allowed, LEAST_RATIO * self._cap, 1.0), self._cap + growth, <double>self.max_size)
        # At a few items a slope that is wrong by little hides the next size for ever: nothing else would correct it.
        self._unprobed = self._unprobed + 1 if self.next_size(0) <= <uint32_t>size else 0
        if self._unprobed >= PROBE_EVERY:
            self._unprobed = 0
            self._cap = min(<double>self.next_size(0) + 1.0, <double>self.max_size)

    @property
    def ratio(self):
        return self._ratio

    def quantile_us(self, uint32_t size):
        return <uint64_t>(self._ratio * self._line.at(size) + 0.5)
