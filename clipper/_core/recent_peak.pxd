# Hop 6: how many tasks of a model were there at once lately? See recent_peak.hpp.
from libc.stdint cimport uint64_t


cdef extern from "recent_peak.hpp" namespace "clipper" nogil:
    cppclass RecentPeak:
        uint64_t look(uint64_t outstanding, uint64_t now_us)
