# Hops 3 to 9: from a parsed body to an answer. Single-threaded: everything here runs on the loop thread of the worker.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.application cimport Application
from clipper._core.deadline_timer cimport DeadlineTimer
from clipper._core.http_request cimport HttpConnection, PredictHandler
from clipper._core.http_server cimport HttpServer
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.output cimport Output
from clipper._core.plan cimport CombineRule, Plan
from clipper._core.predict_body cimport ParsedBody
from clipper._core.prediction_cache cimport CacheKey, KeyedHash, PredictionCache, PredictionCacheHandle
from clipper._core.replica cimport Replica
from clipper._core.route_table cimport Route
from clipper._core.rpc_server cimport RpcServer
from clipper._core.slot_pool cimport SlotPool, SlotPoolHandle

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
        Request* request
        void* plan
        uint16_t first_arm
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
        uint64_t live_requests()

cdef extern from "gather.hpp" namespace "clipper" nogil:
    cppclass Combined:
        Output* output
        double confidence
        const char* failure
    Combined combine(CombineRule, Query*) except +

cdef extern from "deadline_heap.hpp" namespace "clipper" nogil:
    cppclass DeadlineHeap[T]:
        void insert(T*, uint64_t) except +
        void remove(T*)
        T* pop_due(uint64_t)
        uint64_t next_us()
        bint empty()


cdef class QueryProcessor(PredictHandler):
    # wiring, set once by frontend/wiring.py
    cdef HttpServer server
    cdef RpcServer rpc
    cdef DeadlineTimer timer
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
    cdef vector[uint32_t] fresh             # tasks pushed in this turn: their queue stage begins when it ends
    cdef list dirty_models                  # models that got tasks in this turn
    # identity
    cdef uint64_t next_query_id
    cdef uint64_t query_id_step
    cdef uint64_t random_state

    # hops 3 to 5
    cdef Plan plan_for_version(self, Application app, bytes version)
    cdef object version_cause(self, Application app, bytes version)
    cdef int start_query(self, Application app, Plan plan, Request* request, uint32_t part, const char* data,
                         uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1
    cdef int start_member(self, Application app, ModelRuntime model, Query* query, Member* member, const char* data,
                          uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1
    cdef int leave(self, Member* member, uint64_t now_us) except -1
    cdef int join(self, Member* member, uint32_t slot, uint64_t fire_us) except -1
    cdef uint64_t random(self) noexcept
    # hops 6 and 7
    cdef int mark_dirty(self, ModelRuntime model) except -1
    cdef int dispatch(self, ModelRuntime model, uint64_t now_us) except -1
    cdef int send_batch(self, ModelRuntime model, Replica replica, uint32_t size, uint64_t now_us) except -1
    cdef int complete_task(self, uint32_t slot, MemberState state, Output* output, uint64_t now_us) except -1
    # hops 9 and 10
    cdef int finish(self, Query* query, uint64_t now_us) except -1
    cdef int append_answer(self, Query* query, Plan plan, Combined& combined) except -1
    cdef int append_miss(self, Query* query, Application app, const char* failure) except -1
    cdef int answer_request(self, Request* request, int status) except -1
    cdef int release_request(self, Request* request) except -1
    cdef int refuse(self, HttpConnection connection, uint64_t sequence, int status, const char* code, bytes cause) except -1
    cdef int arm(self) except -1
