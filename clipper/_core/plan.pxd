# Hop 3: which models a query asks, decided in C from an immutable plan.
from libc.stdint cimport uint16_t, uint64_t
from libcpp.vector cimport vector

cdef extern from "gather.hpp" namespace "clipper" nogil:
    cdef enum class CombineRule(unsigned char):
        Single
        Majority
        Mean


cdef class Plan:
    # What a selection policy published: one arm drawn by probability, or every member combined by a rule.
    cdef readonly tuple models              # ModelRuntime objects, in link order
    cdef readonly str kind                  # "arms" or "members"
    cdef readonly bytes members_label       # JSON-escaped "a:1+b:1": what "model" says for a combined answer
    cdef bint is_arms
    cdef CombineRule rule                   # Single for arms
    cdef bint waits_for_all                 # also for members that can change nothing any more
    cdef vector[double] cumulative          # of the arm probabilities; the last is 1
    cdef uint16_t member_count              # members a query gets: 1 for arms
    cdef int _set_arms(self, object probabilities) except -1
    cdef uint16_t draw(self, uint64_t random) noexcept nogil
    cdef double propensity(self, uint16_t arm) noexcept nogil
