# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Prediction of a batch's duration from its size: weighted least squares with exponential forgetting.

Three things that plain least squares gets wrong here. Under light load all batches are of one size, which leaves the
slope undetermined: the last slope that the data did determine is kept (a ridge towards it), and none is assumed at
first, so a burst after single queries is not dropped for a slope that nobody measured. A stalled container gives
one duration a thousand times too long: a single surprise of that kind is not learned. And a
model that really changed its speed surprises twice running: then the whole fit is scaled to the new speed at once.
"""

from cython cimport final
from libc.stdint cimport uint32_t, uint64_t

from clipper.errors import InvalidArgumentError

cdef double SURPRISE_RATIO = 3.0        # beyond this factor, either way, one batch alone is not believed
cdef double SURPRISE_FLOOR_US = 200.0   # below this a factor of three is the scheduler's noise
cdef double RIDGE_RATIO = 0.0025        # of mean size squared: sizes that spread by less than 5% hardly move the slope
cdef double LONGEST_US = 9.0e15         # 285 years: keeps every estimate inside 64 bits


@final
cdef class FinishModel:
    def __init__(self, double forget_ratio=0.1):
        if not 0.0 < forget_ratio < 1.0:
            raise InvalidArgumentError(f"forget_ratio must be between 0 and 1; got {forget_ratio}")
        self._forget = 1.0 - forget_ratio

    cdef void observe(self, uint32_t size, uint64_t duration_us) noexcept:
        if size == 0:
            return
        cdef double duration = min(<double>duration_us, LONGEST_US)
        cdef double predicted, proportional, longest, shortest
        cdef int surprise = 0
        if self._weight > 0.0:
            # A slope not yet known is no surprise: all of the mean batch's time may turn out to be its items'.
            predicted = self._predict(size)
            proportional = self._mean_us * size / self._mean_size
            longest = max(predicted, proportional)
            shortest = max(min(predicted, proportional), 1.0)
            if duration > SURPRISE_RATIO * longest + SURPRISE_FLOOR_US:
                surprise = 1
            elif duration * SURPRISE_RATIO + SURPRISE_FLOOR_US < shortest:
                surprise = -1
            if surprise == 1 and self._surprise == 1:
                self._rescale(duration / max(longest, 1.0))
                surprise = 0
            # One batch that was slower is no ground to doubt a faster one: the first call of a model often pays for
            # its warm-up.
            elif surprise == -1 and (self._surprise == -1 or self._weight <= 1.0):
                self._rescale(max(duration, 1.0) / shortest)
                surprise = 0
        self._surprise = surprise
        # A pause says nothing about size, and the slope that it would suggest keeps the batches so small that nothing
        # corrects it.
        if surprise != 1:
            self._fit(size, duration)

    cdef void _rescale(self, double ratio) noexcept:
        """The model runs at another speed: keep the shape of the fit, and little of its weight."""
        self._mean_us = min(self._mean_us * ratio, LONGEST_US)
        self._covariance *= ratio
        self._slope_us *= ratio
        self._weight = min(self._weight, 1.0)

    cdef void _fit(self, double size, double duration_us) noexcept:
        cdef double old = self._weight * self._forget
        cdef double total = old + 1.0
        cdef double size_off = size - self._mean_size
        cdef double us_off = duration_us - self._mean_us
        cdef double share = 1.0 / total
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

    cdef double _predict(self, double size) noexcept:
        return max(self._mean_us - self._slope_us * self._mean_size, 0.0) + self._slope_us * size

    cdef FinishEstimate estimate(self) noexcept:
        cdef FinishEstimate estimate
        estimate.base_us = <uint64_t>(max(self._mean_us - self._slope_us * self._mean_size, 0.0) + 0.5)
        estimate.per_item_us = self._slope_us
        return estimate

    cdef uint64_t longest_us(self, uint32_t size) noexcept:
        """What a batch may take if all of the mean batch's time turns out to be its items': no estimate, a bound."""
        if self._weight == 0.0:
            return 0
        return <uint64_t>max(self._predict(size), min(self._mean_us * size / self._mean_size, LONGEST_US))

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
        return self._slope_us
