# Hops 3 to 9 of feedback by input: all models are asked for one input, through the prediction cache.
from libc.stdint cimport uint16_t, uint64_t
from libcpp.string cimport string

from clipper._core.plan cimport Plan
from clipper._core.query cimport Query
from clipper._core.query_follower cimport QueryFollower


cdef class Evaluation(QueryFollower):
    cdef object done                        # called with this when it is over
    cdef Plan plan
    cdef string text
    cdef readonly str context               # of the body; None: it names none
    cdef readonly list missing              # JSON strings without quotes: the arms that gave no output
    cdef readonly uint64_t cached           # outputs that were in the cache
    cdef readonly uint64_t evaluated        # outputs that came in time
    cdef readonly bytes arms                # JSON: what each arm said, as observations have it

    cdef int append_arm(self, Query* query, uint16_t index) except -1
