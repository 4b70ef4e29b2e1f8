# Hop 7: the ROUTER socket on the loop. One of the two files of the core that read a clock.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.replica cimport Replica
from clipper._core.rpc_codec cimport FrameView, ItemResult, RpcHeader
from clipper._core.batch_queue cimport SlotPool

cdef extern from "zmq_api.hpp" namespace "clipper" nogil:
    cppclass ZmqMessage:
        pass
    const int kZmqDontWait
    const int kZmqSendMore
    const int kZmqOptionEvents
    const int kZmqPollIn
    cppclass ZmqApi:
        int msg_init(ZmqMessage*)
        int msg_init_size(ZmqMessage*, size_t)
        int msg_send(ZmqMessage*, void*, int)
        int msg_recv(ZmqMessage*, void*, int)
        int msg_close(ZmqMessage*)
        int msg_more(const ZmqMessage*)
        void* msg_data(ZmqMessage*)
        size_t msg_size(const ZmqMessage*)
        int getsockopt(void*, int, void*, size_t*)
        int zmq_errno()
        bint load(string&) except +


cdef class ReplicaEvents:
    # What the owner of the queries is told. Implemented by the query processor.
    cdef int on_batch_result(self, Replica replica, vector[ItemResult]& items, uint64_t compute_us, uint64_t now_us) except -1
    cdef int on_batch_failed(self, Replica replica, object cause, uint64_t now_us) except -1
    cdef int on_replica_ready(self, Replica replica, uint64_t now_us) except -1
    cdef int on_replica_lost(self, Replica replica, str reason, uint64_t now_us) except -1
    cdef object find_model(self, str name, str version)
    cdef int on_messages_done(self, uint64_t now_us) except -1


cdef class RpcServer:
    cdef ZmqApi zmq
    cdef object socket                      # zmq.Socket; owns the handle below
    cdef void* handle
    cdef object loop
    cdef int file_descriptor
    cdef readonly str address
    cdef ReplicaEvents events
    cdef object listener                    # called with (replica_id, model, version, state, reason) on every change
    # sessions
    cdef readonly dict replicas             # ROUTER identity -> Replica
    cdef readonly dict replicas_by_id       # replica_id -> Replica
    cdef readonly uint64_t heartbeat_interval_us
    cdef readonly uint64_t heartbeat_timeout_us
    cdef uint64_t next_batch_id
    # reuse
    cdef ZmqMessage[8] frames
    cdef vector[FrameView] views
    cdef vector[ItemResult] items
    cdef bint reading
    # counters
    cdef readonly uint64_t messages_received
    cdef readonly uint64_t messages_sent
    cdef readonly uint64_t protocol_errors
    cdef readonly uint64_t late_results

    cdef bint has_input(self) noexcept
    cdef int read_messages(self, uint64_t now_us) except -1
    cdef int send_batch(self, Replica replica, SlotPool* pool, uint64_t budget_us, uint64_t now_us) except -1
