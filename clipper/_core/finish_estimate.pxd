# What a batch is predicted to take; made by finish_model, read by batch_queue and dispatcher.
from libc.stdint cimport uint64_t


cdef extern from "finish_estimate.hpp" namespace "clipper" nogil:
    cdef cppclass FinishEstimate:
        uint64_t base_us            # 0 with per_item_us 0 = nothing known: optimistic
        double per_item_us
        uint64_t finish_us(uint64_t now_us, uint64_t size) noexcept     # now_us + base_us + size * per_item_us
