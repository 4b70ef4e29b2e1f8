# Hop 6: when is a batch stuck, and how much may be done twice about it? See straggler.hpp.
from libc.stdint cimport uint64_t


cdef extern from "straggler.hpp" namespace "clipper" nogil:
    cppclass StretchQuantile:
        void record(uint64_t duration_us, uint64_t predicted_us)
        double p99()

    cppclass HedgeBudget:
        void earn(uint64_t tasks, double ratio)
        uint64_t affordable()
        void spend(uint64_t tasks)
