# cython: language_level=3, boundscheck=False, wraparound=False
"""Who is told of a query that no client asked."""


cdef class QueryFollower:

    cdef int query_done(self, Query* query, uint64_t now_us) except -1:
        raise NotImplementedError
