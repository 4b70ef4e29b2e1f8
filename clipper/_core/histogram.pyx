# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Python's hold on the logarithmic histogram; the algorithm and its argument are in histogram.hpp."""

cimport cython

from clipper.errors import InvalidArgumentError

SUB_BUCKETS = int(kSubBuckets)
BUCKETS = int(kBuckets)
MAX_VALUE = int(kMaxValue)


cdef tuple export_histogram(const CHistogram* source):
    cdef uint32_t bucket
    cdef list buckets = []
    for bucket in range(kBuckets):
        if source.counts[bucket] != 0:
            buckets.append((bucket, source.counts[bucket]))
    return (source.count, source.sum, source.max, buckets)


@cython.final
cdef class Histogram:
    @property
    def count(self):
        return self.data.count

    @property
    def sum(self):
        return self.data.sum

    @property
    def max(self):
        return self.data.max

    def record(self, value: int, times: int = 1) -> None:
        cdef uint64_t c_value = value
        cdef uint64_t c_times = times
        self.data.record(c_value, c_times)

    def merge(self, Histogram other not None) -> None:
        self.data.merge(other.data)

    def clear(self) -> None:
        self.data.clear()

    def percentile(self, ratio: float) -> int:
        cdef double c_ratio = ratio
        if not (0.0 <= c_ratio <= 1.0):
            raise InvalidArgumentError(f"ratio is {ratio!r}, expected a number from 0 to 1", hint="p99 is 0.99")
        return self.data.percentile(c_ratio)

    def export(self) -> tuple:
        return export_histogram(&self.data)
