# The objects that travel, and the rules that combine them: see query.hpp and gather.hpp.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.counters cimport AnswerKind
from clipper._core.output cimport Output
from clipper._core.plan cimport CombineRule
from clipper._core.prediction_cache cimport CacheKey

cdef extern from "query.hpp" namespace "clipper" nogil:
    cdef enum class MemberState(unsigned char):
        Pending
        Answered
        Deadline
        Refused
        NoReplica
        Failed
    cppclass Member:
        Query* query
        Member* previous
        Member* next
        Output* output
        uint32_t slot
        uint16_t votes
        MemberState state
        bint is_too_late
    cppclass Request:
        void* connection
        void* application
        uint64_t sequence
        uint32_t pending
        bint is_batch
        vector[string] parts
    cppclass Query:
        uint64_t fire_us
        uint16_t member_count
        uint16_t pending
        uint32_t part
        Request* request
        void* plan
        uint16_t first_arm
        bint is_traced
        uint64_t query_id
        uint64_t arrival_us
        uint64_t deadline_us
        uint64_t last_output_us
        Member* members()
    cppclass TaskRecord:
        Member* waiters
        void* model
        CacheKey key
        bint in_cache
        uint64_t deadline_us
        uint64_t drop_deadline_us
        uint64_t cache_ttl_us
        uint64_t pushed_us
    void attach_waiter(TaskRecord&, Member*)
    void detach_waiter(TaskRecord&, Member*)
    cppclass QueryPool:
        Query* new_query(uint16_t) except +
        void free_query(Query*)
        Request* new_request() except +
        void free_request(Request*)
        uint64_t live_queries()

cdef extern from "gather.hpp" namespace "clipper" nogil:
    cppclass Combined:
        Output* output
        double confidence
        const char* failure
    void count_output(CombineRule, Query*, Member*)
    bint is_decided(CombineRule, Query*)
    AnswerKind answer_kind(Query*)
    Combined combine(CombineRule, Query*) except +
