# What one application wants to have of its decisions. It outlives the snapshots that the application appears in.
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

cdef extern from "decision_stream.hpp" namespace "clipper" nogil:
    cppclass DecisionFeed:
        cbool is_filed
        size_t sample_size
        uint64_t lost
        void decided(uint64_t query_id, uint64_t random) except +
        void not_recorded() noexcept
        vector[uint64_t] take_unfiled(size_t most) except +
        vector[uint64_t] take_sample() except +
        uint64_t take_lost() noexcept


cdef class DecisionStream:
    cdef readonly str name                  # of the application
    cdef readonly uint32_t uid              # never given twice in a worker
    cdef public uint64_t ttl_us             # how long a decision waits for feedback; of decisions from now on
    cdef public bytes policy                # JSON: the name of the policy in force, for the file
    cdef DecisionFeed feed
    cdef readonly uint64_t recorded         # decisions
