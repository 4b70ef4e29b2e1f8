# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What is said of those who break the rules of the protocol: all are counted, and so many a second are named."""

import logging

import cython

_log = logging.getLogger("clipper.frontend.rpc")

OFFENCES_PER_SECOND = 5                     # lines in the log; the others are counted in the next line


@cython.final
cdef class OffenceLog:
    cdef int note(self, str who, str cause, uint64_t now_us) except -1:
        self.total += 1
        if self.window.admits(now_us, OFFENCES_PER_SECOND):
            self.tell_suppressed()
            _log.warning("protocol error from %s: %s", who, cause)
        return 0

    cdef int tick(self, uint64_t now_us) except -1:
        """Says how many were only counted, once the second in which they came is over."""
        return self.tell_suppressed() if self.window.suppressed and self.window.is_over(now_us) else 0

    cdef int tell_suppressed(self) except -1:
        if self.window.suppressed:
            _log.warning("%d more protocol errors were not logged one by one", self.window.take_suppressed())
        return 0
