# Hop 5: would a task that is pushed now be answered in time? See admission.hpp.
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.finish_estimate cimport FinishEstimate


cdef extern from "admission.hpp" namespace "clipper" nogil:
    cppclass Admission:
        void begin(uint64_t now_us, uint64_t waiting, uint64_t objective_us) except +
        void add(uint64_t free_us, uint32_t cap, FinishEstimate estimate, double error_ratio) except +
        void end()
        bint admits(uint64_t now_us, uint64_t deadline_us)
        void pushed()
        uint64_t answered_by(uint64_t now_us, uint64_t deadline_us)
        uint64_t waiting()
        double rate_per_us()
