# Hop 9: one timerfd for all deadlines of a worker. Loop timers are whole milliseconds, and one a query costs too much.
from libc.stdint cimport uint64_t


cdef class DeadlineTimer:
    cdef readonly int file_descriptor       # readable when the time has come; -1 after close()
    cdef int arm(self, uint64_t fire_us) except -1
    cdef int acknowledge(self) except -1
