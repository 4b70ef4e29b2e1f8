# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Batch-size controllers: fixed, and additive increase with multiplicative decrease (Crankshaw 2017 §4.3.1).

Where this parts from the paper. It does not aim at the whole SLO, as under load a query waits for the batch in service
and then rides the next one; where it aims instead, `AimedBatchSize` says. It doubles up to the first violation instead
of adding one by one, which takes tens of batches instead of hundreds. Its additive step is an eighth of the gap between
the last good size and the last bad one, so that a settled controller crosses its target by little, whatever the size of
the batch; and a ceiling that has held is tried ever more seldom, since each look at it makes queries late: where two
items fit and three do not, there is no smaller one to take. One bad batch alone is not believed: pauses come one at a
time, batches of a slower model do not. Each back-off that follows another without a good batch between them is the
square of that one: a model of which most of a batch's time does not depend on its size comes back by tens of percent
too late, not by the percents that the time says.
"""

from cython cimport final
from libc.stdint cimport uint32_t, uint64_t

from clipper.errors import InvalidArgumentError

DEFAULT_MAX_BATCH_SIZE = DEFAULT_MAX_SIZE

# Of the SLO. Half of it is what two batches in a row can take if all are alike, and that predicts the sustainable rate;
# as a cap it would be too hard, since most batches are smaller than the cap: a large one clears a burst, and early drop
# sees to it that nobody is in it who would be late. Beyond three quarters only a query that came at once after a
# short batch could still be served.
cdef double TARGET_RATIO = 0.75
cdef double LEAST_TARGET_RATIO = 0.125      # a mismeasured overhead must not leave a replica with batches of one
cdef double BACK_OFF_RATIO = 0.9            # of the violating size; the paper's 10%
cdef double LEAST_BACK_OFF_RATIO = 0.5      # the same where the batch took far longer than the target
cdef double STEP_RATIO = 0.125              # of the gap
cdef double LEAST_STEP_RATIO = 0.03125      # the same for a ceiling that has held three times in a row
# Rounding: eight eighths must reach the ceiling again although their sum is not exact.
cdef double ROUNDING = 1e-6


cdef class BatchSizeController:
    cpdef uint32_t next_size(self, uint64_t now_us) noexcept:
        return 1

    cpdef void observe(self, uint32_t size, bint was_full, uint64_t duration_us) noexcept:
        pass

    cpdef void set_target(self, uint64_t slo_us, uint64_t overhead_us) noexcept:
        pass


@final
cdef class FixedBatchSize(BatchSizeController):
    def __init__(self, uint32_t size):
        if size == 0:
            raise InvalidArgumentError("size must be at least 1; got 0")
        self.size = size

    cpdef uint32_t next_size(self, uint64_t now_us) noexcept:
        return self.size


cdef class AimedBatchSize(BatchSizeController):
    def __init__(self, uint64_t slo_us, *, uint64_t overhead_us=0, uint32_t max_size=DEFAULT_MAX_SIZE):
        if slo_us == 0 or max_size == 0:
            raise InvalidArgumentError(f"slo_us and max_size must be at least 1; got {slo_us} and {max_size}")
        self.max_size = max_size
        self.set_target(slo_us, overhead_us)

    cpdef void set_target(self, uint64_t slo_us, uint64_t overhead_us) noexcept:
        cdef double target_us = TARGET_RATIO * <double>slo_us - <double>overhead_us
        self.slo_us = slo_us
        self.overhead_us = overhead_us
        self.target_us = <uint64_t>max(target_us, LEAST_TARGET_RATIO * <double>slo_us, 1.0)


@final
cdef class AimdBatchSize(AimedBatchSize):
    def __cinit__(self, *_args, **_options):
        self._cap = self._step = 1.0
        self._growing = True
        self._kept_ratio = BACK_OFF_RATIO
        self._step_ratio = STEP_RATIO

    cpdef uint32_t next_size(self, uint64_t now_us) noexcept:
        return <uint32_t>(self._cap + ROUNDING)

    cpdef void observe(self, uint32_t size, bint was_full, uint64_t duration_us) noexcept:
        # One larger than the cap was sent before the last back-off, which has already answered it.
        cdef uint32_t cap = self.next_size(0)
        if size == 0 or size > cap:
            return
        # A batch that was not full says nothing of the cap if it was good. If it was not, a full one would be worse,
        # and where the cap is too large for what comes, no other batch would ever say so.
        if duration_us > self.target_us:
            self._violated(size, duration_us)
            return
        if size >= self._doubted_size:
            self._doubted_size = 0
        if was_full and size == cap:
            self._grow(size)

    cdef void _grow(self, uint32_t size) noexcept:
        self._kept_ratio = BACK_OFF_RATIO
        self._last_good = size
        if size >= self._ceiling:
            self._growing = True        # faster than it was: the old ceiling no longer holds
            self._step_ratio = STEP_RATIO
        self._cap = min(self._cap + self._step, <double>self.max_size)
        if self._growing:
            self._step = min(2.0 * self._step, <double>self.max_size)

    cdef void _violated(self, uint32_t size, uint64_t duration_us) noexcept:
        if self._doubted_size == 0:
            self._doubted_size, self._doubted_us = size, duration_us
        else:       # Of two sizes the larger: both speak against it. The shorter time: the other may have been a pause.
            self._back_off(max(size, self._doubted_size),
                           <double>self.target_us / <double>min(duration_us, self._doubted_us))

    cdef void _back_off(self, uint32_t size, double met_ratio) noexcept:
        cdef bint found = self._growing and 0 < self._last_good < size
        cdef double kept = max(met_ratio, LEAST_BACK_OFF_RATIO) * size
        self._doubted_size = 0
        self._growing = False
        self._ceiling = size
        if found:                       # between the last good size and this one: look closer
            self._cap = max(1.0, min(<double>self._last_good, kept))
            self._step = max(1.0, STEP_RATIO * (size - self._cap))
        else:
            self._cap = max(1.0, min(self._kept_ratio * size, kept))
            self._step = self._step_ratio * max(size - self._cap, 1.0 - BACK_OFF_RATIO)
            self._step_ratio = max(0.5 * self._step_ratio, LEAST_STEP_RATIO)
            self._kept_ratio = max(self._kept_ratio * self._kept_ratio, LEAST_BACK_OFF_RATIO)
        self._last_good = 0
