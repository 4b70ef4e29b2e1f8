# cython: language_level=3
"""Logarithmic histograms: `CHistogram` is the C++ struct that counters embed, `Histogram` owns one for Python."""

from libc.stdint cimport uint32_t, uint64_t


cdef extern from "histogram.hpp" namespace "clipper" nogil:
    cppclass CHistogram "clipper::Histogram":
        uint64_t count
        uint64_t sum
        uint64_t max
        void record(uint64_t value) noexcept
        void record(uint64_t value, uint64_t times) noexcept
        void merge(const CHistogram& other) noexcept
        void clear() noexcept
        uint64_t percentile(double ratio) noexcept
        uint64_t counts[896]        # [kBuckets]

    const uint32_t kSubBuckets "clipper::Histogram::kSubBuckets"
    const uint32_t kBuckets "clipper::Histogram::kBuckets"
    const uint64_t kMaxValue "clipper::Histogram::kMaxValue"


# (count, sum, max, [(bucket, count), ...]): what `clipper.metrics` reads. For /metrics, never per query.
cdef tuple export_histogram(const CHistogram* source)


cdef class Histogram:
    cdef CHistogram data
