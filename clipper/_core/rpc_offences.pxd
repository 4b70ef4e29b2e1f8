# Hop 7: those who break the rules of the protocol are counted one by one, and logged as far as a log can bear it.
from libc.stdint cimport uint64_t

from clipper._core.rate_window cimport RateWindow


cdef class OffenceLog:
    cdef readonly uint64_t total            # offences since the start
    cdef RateWindow window

    cdef int note(self, str who, str cause, uint64_t now_us) except -1
    cdef int tick(self, uint64_t now_us) except -1
    cdef int tell_suppressed(self) except -1
