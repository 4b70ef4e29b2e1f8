# At most so many events in a second: see rate_window.hpp.
from libc.stdint cimport uint64_t

cdef extern from "rate_window.hpp" namespace "clipper" nogil:
    cppclass RateWindow:
        uint64_t suppressed
        bint admits(uint64_t, uint64_t)
        bint is_over(uint64_t)
        uint64_t take_suppressed()
