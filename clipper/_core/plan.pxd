# Hop 3: which models a query asks, decided in C from an immutable plan.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

cdef extern from "gather_rule.hpp" namespace "clipper" nogil:
    cdef enum class CombineRule(unsigned char):
        Single
        Majority
        Mean
        Weighted
        Cascade
    cppclass GatherRule:
        CombineRule combine
        double min_confidence
        vector[uint64_t] shares
        uint64_t all_shares
        vector[double] thresholds
        void set_weights(const vector[double]&) except +
        bint is_enough(double confidence)


cdef extern from "plan_hold.hpp" namespace "clipper" nogil:
    cppclass PlanHold:
        void* plan
        uint32_t records
        uint32_t bytes


cdef extern from "context_draw.hpp" namespace "clipper" nogil:
    uint64_t word_of_context(const string&)


cdef class Plan:
    # What a selection policy published: one arm, drawn by probability or chosen by the query's features; every member,
    # combined by a rule; or stages, asked one after the other.
    cdef readonly uint64_t plan_id          # grows with every plan of an application; 0 = no policy made it
    cdef readonly str kind                  # "arms", "members", "cascade" or "features"
    cdef readonly tuple models              # ModelRuntime objects, in link order; of a cascade the cheap ones first
    cdef PlanHold hold                      # how many records of the decision log speak of it
    cdef readonly bytes members_label       # JSON-escaped "a:1+b:1": what "model" says for a combined answer
    # who is asked
    cdef bint is_arms                       # one of the models answers: arms, features
    cdef uint16_t member_count              # members that are asked at once: 1 unless the kind is members
    cdef uint16_t member_room               # members that a query may get
    cdef vector[double] cumulative          # of the arm probabilities; from the last arm that is ever drawn on it is 1
    cdef readonly bint is_sticky            # equal contexts draw alike
    cdef readonly object select             # of features: (rows, count) -> (arms, propensities); else None
    cdef readonly tuple shadows             # ModelRuntime objects that are asked along and never answer
    # what becomes of their outputs
    cdef GatherRule rule
    cdef bint waits_for_all                 # also for members that can change nothing any more
    cdef readonly double observe_all_ratio  # of queries whose members are evaluated even if they are not waited for

    cdef int set_arms(self, object probabilities) except -1
    cdef int set_members(self, str rule, object weights) except -1
    cdef int set_stages(self, object thresholds) except -1
    cdef int set_shadows(self, tuple shadows) except -1
    cdef uint16_t draw(self, uint64_t random) noexcept nogil
    cdef double propensity(self, uint16_t arm) noexcept nogil
    cdef bint draws_all(self, uint64_t random) noexcept nogil
