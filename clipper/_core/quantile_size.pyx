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

from clipper._core.batch_size cimport DEFAULT_MAX_SIZE, target_of
from clipper.errors import InvalidArgumentError

cdef double QUANTILE = 0.9              # of ten batches one may exceed the target
cdef double RATIO_STEP = 0.02           # of the pinball gradient: a few tens of batches from the mean to the quantile
cdef double MAX_RATIO = 2.0             # a model that scatters more is planned for no better by smaller batches
cdef double FORGET = 0.9                # weight of the last batch after the next
cdef double SURPRISE_RATIO = 1.5        # beyond this factor off the line one batch alone is not believed
cdef double SURPRISE_FLOOR_US = 200.0   # below this it is the scheduler's noise
cdef double RIDGE_RATIO = 0.0025        # of mean size squared: sizes that spread by less than 5% hardly move the slope
cdef double LONGEST_US = 9.0e15         # keeps every product finite
cdef double GROWTH_RATIO = 0.125        # of a settled cap, gained with one batch
cdef uint32_t PROBE_EVERY = 16          # full batches: the next size is tried now and then, whatever the line says
cdef double LEAST_RATIO = 0.5           # of the cap, kept with one batch
cdef double ROUNDING = 1e-6


@final
cdef class QuantileBatchSize(BatchSizeController):
    def __init__(self, uint64_t slo_us, *, uint64_t overhead_us=0, uint32_t max_size=DEFAULT_MAX_SIZE):
        if slo_us == 0 or max_size == 0:
            raise InvalidArgumentError(f"slo_us and max_size must be at least 1; got {slo_us} and {max_size}")
        self.max_size = max_size
        self.set_target(slo_us, overhead_us)
        self._cap = self._ratio = 1.0
        self._searching = True

    cpdef void set_target(self, uint64_t slo_us, uint64_t overhead_us) noexcept:
        self.slo_us = slo_us
        self.overhead_us = overhead_us
        self.target_us = target_of(slo_us, overhead_us)

    cpdef uint32_t next_size(self, uint64_t now_us) noexcept:
        return <uint32_t>(self._cap + ROUNDING)

    cpdef void observe(self, uint32_t size, bint was_full, uint64_t duration_us) noexcept:
        cdef double duration = min(<double>duration_us, LONGEST_US)
        if size == 0:
            return
        if self._is_believed(size, duration):
            self._fit(size, duration)
        # A batch that was not full says nothing about the cap; one larger than the cap was sent before it fell.
        if was_full and size <= self.next_size(0):
            self._move(size, duration)

    cdef double _line_us(self, double size) noexcept:
        return max(self._mean_us + self._slope_us * (size - self._mean_size), 0.0)

    cdef bint _is_believed(self, double size, double duration_us) noexcept:
        """Moves the quantile's factor; says whether the line may learn from the batch."""
        cdef double predicted, proportional, longest, shortest
        cdef int surprise = 0
        if self._weight == 0.0:
            return True
        predicted = self._line_us(size)
        # A slope not yet known is no surprise: all of the mean batch's time may turn out to be its items'.
        proportional = self._mean_us * size / self._mean_size
        longest = max(predicted, proportional, 1.0)
        shortest = max(min(predicted, proportional), 1.0)
        if duration_us > SURPRISE_RATIO * longest + SURPRISE_FLOOR_US:
            surprise = 1
        elif duration_us * SURPRISE_RATIO + SURPRISE_FLOOR_US < shortest:
            surprise = -1
        # The first call of a model often pays for its warm-up: one slow batch is no ground to doubt a fast one.
        if surprise != 0 and (surprise == self._surprise or (surprise < 0 and self._weight <= 1.0)):
            predicted = max(duration_us, 1.0) / (longest if surprise > 0 else shortest)
            self._mean_us = min(max(self._mean_us, 1.0) * predicted, LONGEST_US)
            self._slope_us *= predicted
            self._covariance *= predicted
            self._weight = min(self._weight, 1.0)
            self._surprise = 0
            return True
        self._surprise = surprise
        if surprise == 0 and duration_us > self._ratio * predicted + 1.0:       # durations are whole microseconds
            self._ratio = min(self._ratio + RATIO_STEP * QUANTILE, MAX_RATIO)
        elif surprise == 0:
            self._ratio = max(self._ratio - RATIO_STEP * (1.0 - QUANTILE), 1.0)
        return surprise == 0

    cdef void _fit(self, double size, double duration_us) noexcept:
        cdef double old = self._weight * FORGET
        cdef double total = old + 1.0
        cdef double share = 1.0 / total
        cdef double size_off = size - self._mean_size
        cdef double us_off = duration_us - self._mean_us
        # West's update of weighted mean, variance and covariance: no difference of large sums.
        self._mean_size += size_off * share
        self._mean_us += us_off * share
        self._var_size = (old * share) * (self._var_size + share * size_off * size_off)
        self._covariance = (old * share) * (self._covariance + share * size_off * us_off)
        self._weight = total
        cdef double ridge = RIDGE_RATIO * self._mean_size * self._mean_size
        cdef double slope = (self._covariance + ridge * self._slope_us) / (self._var_size + ridge)
        # Neither part may be negative: 0 <= slope <= what the mean batch leaves for its items.
        self._slope_us = min(max(slope, 0.0), self._mean_us / self._mean_size)

    cdef double _size_within(self, double target_us) noexcept:
        """The size at which the line meets it; 0 if it is beyond for every size, the limit if for none."""
        cdef double room_us = target_us - self._line_us(self._mean_size)
        if self._slope_us * (self.max_size - self._mean_size) <= room_us:
            return self.max_size
        return max(self._mean_size + room_us / self._slope_us, 0.0) if self._slope_us > 0.0 else 0.0

    cdef void _move(self, double size, double duration_us) noexcept:
        cdef double allowed = self._size_within(<double>self.target_us / self._ratio)
        cdef double growth = self._cap if self._searching else max(1.0, GROWTH_RATIO * self._cap)
        if self._surprise != 0:
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
        return <uint64_t>(self._ratio * self._line_us(size) + 0.5)
