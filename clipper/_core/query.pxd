# The objects that travel, and the rules that combine them: see query.hpp and gather.hpp.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.counters cimport AnswerKind
from clipper._core.output cimport Output
from clipper._core.plan cimport GatherRule
from clipper._core.prediction_cache cimport CacheKey

cdef extern from "query.hpp" namespace "clipper" nogil:
    cdef enum class MemberState(unsigned char):
        Pending
        Answered
        Deadline
        Refused
        NoReplica
        Failed
        Unsure
    cppclass Member:
        Query* query
        Member* previous
        Member* next
        Output* output
        CacheKey key
        uint64_t votes
        uint32_t slot
        MemberState state
        bint is_too_late
        bint holds_votes
    cppclass Request:
        void* connection
        void* follower
        void* application
        uint64_t sequence
        uint32_t pending
        bint is_batch
        bint has_context
        string context
        vector[string] parts
    cppclass Query:
        uint64_t fire_us
        uint16_t member_count
        uint16_t member_room
        uint16_t shadow_count
        uint16_t pending
        uint32_t part
        uint32_t feature_count
        Request* request
        void* plan
        double* features
        double propensity
        uint16_t first_arm
        uint16_t shown
        bint is_traced
        bint has_stages
        bint observes_all
        uint64_t query_id
        uint64_t arrival_us
        uint64_t deadline_us
        uint64_t last_output_us
        Member* members()
        Member* shadows()
    cppclass TaskRecord:
        Member* waiters
        void* model
        CacheKey key
        uint8_t losses
        bint in_cache
        bint is_kept
        uint64_t deadline_us
        uint64_t drop_deadline_us
        uint64_t cache_ttl_us
        uint64_t pushed_us
    void attach_waiter(TaskRecord&, Member*)
    void detach_waiter(TaskRecord&, Member*)
    cppclass QueryPool:
        Query* new_query(uint16_t member_count, uint16_t member_room, uint16_t shadow_count) except +
        Query* new_query(uint16_t member_count) except +
        void free_query(Query*)
        Request* new_request() except +
        void free_request(Request*)
        uint64_t live_queries()

cdef extern from "gather.hpp" namespace "clipper" nogil:
    cppclass Combined:
        Output* output
        double confidence
        const char* failure
        uint16_t member
    void count_output(const GatherRule&, Query*, Member*)
    bint is_decided(const GatherRule&, Query*)
    bint passes_on(const GatherRule&, Query*, uint16_t stage)
    AnswerKind answer_kind(const GatherRule&, Query*)
    Combined combine(const GatherRule&, Query*) except +
