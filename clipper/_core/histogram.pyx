# cython: language_level=3
cdef class Histogram:
    cdef public long n
