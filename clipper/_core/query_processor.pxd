# Hops 3 to 5: from a parsed body to queued tasks. Single-threaded: everything here runs on the worker's loop thread.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.application cimport Application
from clipper._core.dispatcher cimport Dispatcher
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.output cimport Output
from clipper._core.plan cimport Plan
from clipper._core.predict_body cimport ParsedBody
from clipper._core.prediction_cache cimport KeyedHash, PredictionCache, PredictionCacheHandle
from clipper._core.query cimport Member, MemberState, Query, Request, TaskRecord
from clipper._core.query_gather cimport QueryGather
from clipper._core.rpc_server cimport RpcServer
from clipper._core.slot_pool cimport SlotPool, SlotPoolHandle


cdef class QueryProcessor(QueryGather):
    # hop 6 and the other end of hop 7, set once by frontend/wiring.py
    cdef Dispatcher dispatcher
    cdef RpcServer rpc
    # memory
    cdef SlotPoolHandle slots               # keeps `pool` alive
    cdef SlotPool* pool
    cdef vector[TaskRecord] tasks           # by slot
    cdef PredictionCacheHandle cache_handle     # keeps `cache` alive
    cdef PredictionCache* cache
    cdef KeyedHash* hash
    cdef bint cache_enabled
    # reuse
    cdef ParsedBody body
    cdef vector[uint32_t] batch
    cdef vector[uint32_t] fresh             # tasks pushed in this turn: their queue stage begins when it ends
    cdef list dirty_models                  # models that got tasks in this turn
    cdef list waking_models                 # models that want to be dispatched some time
    # identity
    cdef uint64_t next_query_id
    cdef uint64_t query_id_step
    cdef uint64_t random_state
    # of the request being started
    cdef bint is_traced

    # hops 3 to 5
    cdef Plan plan_for_version(self, Application app, bytes version)
    cdef object version_cause(self, Application app, bytes version)
    cdef int start_query(self, Application app, Plan plan, Request* request, uint32_t part, const char* data,
                         uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1
    cdef int start_member(self, Application app, ModelRuntime model, Query* query, Member* member, const char* data,
                          uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1
    cdef int trace_start(self, Application app, Plan plan, Query* query, uint64_t data_bytes) except -1
    cdef int join(self, Member* member, uint32_t slot, uint64_t fire_us) except -1
    cdef uint64_t random(self) noexcept
    # what becomes of tasks
    cdef int mark_dirty(self, ModelRuntime model) except -1
    cdef int wake_at(self, ModelRuntime model, uint64_t at_us) except -1
    cdef int end_queue(self, ModelRuntime model, uint64_t now_us) except -1
    cdef int complete_task(self, uint32_t slot, MemberState state, Output* output, uint64_t now_us) except -1
