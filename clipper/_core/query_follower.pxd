# Hop 9: who is told of a query that no client asked, in place of a client. Abstract, so that the gather step depends
# on nobody who asks such queries.
from libc.stdint cimport uint64_t

from clipper._core.query cimport Query


cdef class QueryFollower:
    # Every member is in, or the deadline has come. The query and what hangs on it are gone when this returns.
    cdef int query_done(self, Query* query, uint64_t now_us) except -1
