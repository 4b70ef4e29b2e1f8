# Hops 4 and 5, and the end of a task: what a model is asked, at most once at a time for equal inputs.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.application cimport Application
from clipper._core.dispatcher cimport Dispatcher
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.output cimport Output
from clipper._core.prediction_cache cimport CacheKey, FetchResult, KeyedHash, PredictionCache, PredictionCacheHandle
from clipper._core.query cimport Member, MemberState, Query, TaskRecord
from clipper._core.query_gather cimport QueryGather
from clipper._core.rpc_server cimport RpcServer
from clipper._core.slot_pool cimport SlotPool, SlotPoolHandle


cdef class PredictTasks(QueryGather):
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
    cdef uint32_t kept_count                # tasks that nobody need wait for: shadows and late members
    # reuse
    cdef vector[uint32_t] batch
    cdef vector[uint32_t] fresh             # tasks pushed in this turn: their queue stage begins when it ends
    cdef list dirty_models                  # models that got tasks in this turn
    cdef list waking_models                 # models that want to be dispatched some time

    # A query begins to wait for a model's output, unless it is in the cache or cannot come.
    cdef int start_member(self, Application app, ModelRuntime model, Query* query, Member* member, const char* data,
                          uint64_t data_bytes, uint64_t slo_us, uint64_t now_us) except -1
    # A model is asked for the cache alone; 0: refused.
    cdef bint ask_along(self, Application app, ModelRuntime model, Member* member, const char* data,
                        uint64_t data_bytes, uint64_t now_us) except -1
    cdef FetchResult look_up(self, Application app, ModelRuntime model, Member* member, const char* data,
                             uint64_t data_bytes, uint64_t now_us, uint32_t* joined) noexcept
    cdef int64_t push_task(self, Application app, ModelRuntime model, const CacheKey& key, bint use_cache,
                           const char* data, uint64_t data_bytes, uint64_t due_us, uint64_t slo_us,
                           uint64_t now_us) except -2
    cdef int join(self, Member* member, uint32_t slot, uint64_t fire_us) except -1
    cdef bint has_room_to_keep(self, ModelRuntime model) noexcept
    # what becomes of tasks
    cdef int mark_dirty(self, ModelRuntime model) except -1
    cdef int dispatch_dirty(self, uint64_t now_us) except -1
    cdef int wake_at(self, ModelRuntime model, uint64_t at_us) except -1
    cdef int end_queue(self, ModelRuntime model, uint64_t now_us) except -1
    cdef int complete_task(self, uint32_t slot, MemberState state, Output* output, uint64_t now_us) except -1
