# Hop 9: combine rules over the members of one query.
from libc.stdint cimport uint16_t

from clipper._core.plan cimport CombineRule
from clipper._core.prediction_cache cimport Output
from clipper._core.query_processor cimport Query

cdef extern from "gather.hpp" namespace "clipper" nogil:
    cppclass Combined:
        Output* output
        double confidence
        const char* failure
    Combined combine(CombineRule, Query*) except +
