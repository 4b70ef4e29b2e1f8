# cython: language_level=3
"""A timer of microsecond resolution that a loop can wait for (timerfd_create(2))."""

import cython
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, errno
from libc.time cimport time_t
from posix.unistd cimport close, read

cdef extern from "<sys/timerfd.h>" nogil:
    struct timespec:
        time_t tv_sec
        long tv_nsec
    struct itimerspec:
        timespec it_interval
        timespec it_value
    int TFD_NONBLOCK
    int TFD_CLOEXEC
    int TFD_TIMER_ABSTIME
    int CLOCK_MONOTONIC
    int timerfd_create(int, int)
    int timerfd_settime(int, int, const itimerspec*, itimerspec*)


@cython.final
cdef class DeadlineTimer:
    def __cinit__(self):
        self.file_descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self.file_descriptor < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        if self.file_descriptor >= 0:
            close(self.file_descriptor)

    cdef int arm(self, uint64_t fire_us) except -1:
        """Fires once at `fire_us` of CLOCK_MONOTONIC, at once if that has passed; replaces what it was armed for."""
        cdef itimerspec when
        when.it_interval.tv_sec = 0
        when.it_interval.tv_nsec = 0
        when.it_value.tv_sec = <time_t>(fire_us // 1_000_000)
        when.it_value.tv_nsec = <long>(fire_us % 1_000_000) * 1_000
        if when.it_value.tv_sec == 0 and when.it_value.tv_nsec == 0:
            when.it_value.tv_nsec = 1               # zero would disarm it
        if timerfd_settime(self.file_descriptor, TFD_TIMER_ABSTIME, &when, NULL) != 0:
            PyErr_SetFromErrno(OSError)
        return 0

    cdef int acknowledge(self) except -1:
        """Reads the expiry, so that the descriptor is no longer readable."""
        cdef uint64_t expirations
        if read(self.file_descriptor, &expirations, sizeof(expirations)) < 0 and errno != EAGAIN:
            PyErr_SetFromErrno(OSError)
        return 0

    def arm_at(self, fire_us):
        """Python's way to :c:func:`arm`."""
        self.arm(fire_us)

    def close(self):
        """Gives the descriptor back. Remove it from the loop first."""
        if self.file_descriptor >= 0:
            close(self.file_descriptor)
            self.file_descriptor = -1
