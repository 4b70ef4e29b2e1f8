# Hop 9, beside the answer: what was decided lately, until somebody says how good that was.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string

from clipper._core.decision_stream cimport DecisionStream
from clipper._core.http_response cimport string_view
from clipper._core.output cimport Output
from clipper._core.plan cimport Plan, PlanHold
from clipper._core.prediction_cache cimport CacheKey, PredictionCacheHandle
from clipper._core.query cimport Member, Query

cdef extern from "decision_log.hpp" namespace "clipper":
    cppclass DecisionMember:
        Output* output
        CacheKey key
        double propensity
        uint16_t model
        cbool shown

    cppclass DecisionRecord:
        uint64_t query_id
        uint64_t at_us
        uint64_t expires_us
        uint64_t feedback
        PlanHold* plan
        uint32_t stream
        uint16_t member_count
        uint16_t feature_count
        uint16_t context_bytes
        cbool has_context
        cbool is_answered
        DecisionMember* members() noexcept
        double* features() noexcept
        char* context() noexcept

    cppclass DecisionCounters:
        uint64_t records
        uint64_t bytes
        uint64_t evictions
        uint64_t refusals

    cppclass CDecisionLog "clipper::DecisionLog":
        CDecisionLog(uint64_t budget_bytes, void (*release_plan)(void*) noexcept) except +
        DecisionRecord* add(uint64_t query_id, PlanHold* plan, uint16_t member_count, uint16_t feature_count,
                            string_view context, uint64_t output_bytes, cbool* is_new_plan) noexcept
        DecisionRecord* find(uint64_t query_id, uint64_t now_us) noexcept
        void expire(uint64_t now_us, uint32_t most) noexcept
        DecisionCounters counters() noexcept
        const char* broken_invariant() except +

    cdef uint32_t kMaxOutputBytes "clipper::DecisionLog::kMaxOutputBytes"


cdef class DecisionLog:
    cdef CDecisionLog* log                  # owned
    cdef PredictionCacheHandle cache        # where outputs may stand that came too late
    cdef uint64_t random_state
    cdef readonly uint64_t budget_bytes
    cdef public int64_t wall_offset_us      # wall clock - CLOCK_MONOTONIC
    cdef string text

    cdef int record(self, Query* query, DecisionStream stream, Plan plan, bint is_answered,
                    uint64_t now_us) except -1
    cdef int fill(self, DecisionMember* kept, Member* member, uint16_t model, double propensity, bint shown) noexcept
    cdef int append_head(self, DecisionRecord* record) except -1
    cdef Output* output_of(self, DecisionMember* member, uint64_t now_us) noexcept
    cdef int append_arms(self, DecisionRecord* record, uint16_t first, uint64_t now_us) except -1
    cdef int append_late(self, DecisionRecord* record, uint64_t now_us) except -1
    cdef int append_line(self, DecisionRecord* record, DecisionStream stream) except -1
