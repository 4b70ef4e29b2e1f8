# Hop 6 to 7: what a replica has in hand, see in_flight.hpp.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.vector cimport vector


cdef extern from "in_flight.hpp" namespace "clipper" nogil:
    const uint32_t kAnswered
    const uint64_t kNeverUs

    cppclass InFlightBatch:
        uint64_t id
        uint64_t sent_us
        uint64_t predicted_us
        uint64_t hedge_us
        bint was_full
        bint is_probe
        bint is_hedge
        bint has_failed
        bint was_ahead
        void* twin_replica
        uint64_t twin_id
        vector[uint32_t] slots

    cppclass InFlightTable:
        bint empty()
        bint has_room()
        size_t size()
        InFlightBatch& at(size_t position)
        InFlightBatch& front()
        uint64_t item_count()
        InFlightBatch* find(uint64_t batch_id)
        InFlightBatch& begin(uint64_t batch_id, uint64_t now_us)
        void end(InFlightBatch* batch)

    void take_away(vector[uint32_t]& slots, const vector[uint32_t]& others)
