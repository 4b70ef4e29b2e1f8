# Hops 3 to 9: from a parsed body to an answer. Single-threaded: everything here runs on the loop thread of the worker.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.application cimport Application
from clipper._core.batch_queue cimport SlotPool, SlotPoolHandle
from clipper._core.http_request cimport HttpConnection, HttpServer, PredictHandler, Route
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.plan cimport CombineRule, Plan
from clipper._core.predict_body cimport ParsedBody
from clipper._core.prediction_cache cimport CacheKey, KeyedHash, Output, PredictionCache, PredictionCacheHandle
from clipper._core.replica cimport Replica
from clipper._core.rpc_server cimport ReplicaEvents, RpcServer

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
        MemberState state
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
        bint in_heap
        Request* request
        void* plan
        uint16_t first_arm
        uint64_t query_id
        uint64_t arrival_us
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
        uint64_t live_requests()

cdef extern from "deadline_heap.hpp" namespace "clipper" nogil:
    cppclass DeadlineHeap[T]:
        void push(T*) except +
        void remove(T*)
        T* pop_due(uint64_t)
        uint64_t next_us()
        bint empty()


cdef class QueryProcessor(PredictHandler):
    # wiring, set once by frontend/wiring.py
    cdef HttpServer server
    cdef RpcServer rpc
    cdef object arm_timer                   # arm_timer(fire_us): asks the deadline timer to fire then
    cdef uint64_t armed_us                  # what it was last asked for; 0 = not armed
    cdef uint64_t reply_margin_us
    # memory
    cdef SlotPoolHandle slots               # keeps `pool` alive
    cdef SlotPool* pool
    cdef vector[TaskRecord] tasks           # by slot
    cdef PredictionCacheHandle cache_handle # keeps `cache` alive
    cdef PredictionCache* cache
    cdef KeyedHash* hash
    cdef bint cache_enabled
    cdef QueryPool queries
    cdef DeadlineHeap[Query] deadlines
    # reuse
    cdef ParsedBody body
    cdef string text
    cdef vector[uint32_t] batch
    cdef vector[uint32_t] dropped
    cdef list dirty_models
    # identity
    cdef uint64_t next_query_id
    cdef uint64_t query_id_step
    cdef uint64_t random_state

    # hop 3-5
    cdef int start_query(self, Application app, Plan plan, Request* request, uint32_t part, const char* data, uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1
    cdef int start_member(self, Application app, ModelRuntime model, Query* query, Member* member, const char* data, uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1
    # hop 6-7
    cdef int dispatch(self, ModelRuntime model, uint64_t now_us) except -1
    cdef int complete_task(self, uint32_t slot, MemberState state, Output* output, uint64_t now_us) except -1
    cdef int requeue_batch(self, Replica replica, uint64_t now_us) except -1
    # hop 9-10
    cdef int finish(self, Query* query, uint64_t now_us) except -1
    cdef int answer_request(self, Request* request, int status) except -1
    cdef int refuse(self, HttpConnection connection, uint64_t sequence, int status, const char* code, object cause) except -1
    cdef int arm(self) except -1
