# Hop 7: the ROUTER socket on the loop. One of the two files of the core that read a clock.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.replica cimport Replica
from clipper._core.rpc_codec cimport FrameView, ItemResult, PredictLayout, RpcHeader
from clipper._core.slot_pool cimport SlotPool

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
    cdef int on_batch_failed(self, Replica replica, const string& cause, uint64_t compute_us, uint64_t now_us) except -1
    cdef int on_replica_ready(self, Replica replica, uint64_t now_us) except -1
    cdef int on_replica_lost(self, Replica replica, uint64_t now_us) except -1
    cdef ModelRuntime find_model(self, str name, str version)
    cdef int on_messages_done(self, uint64_t now_us) except -1      # after the last message of a wake-up: flush


cdef class RpcServer:
    cdef ZmqApi zmq
    cdef object socket                      # zmq.Socket; owns the handle below
    cdef void* handle
    cdef object loop
    cdef int file_descriptor
    cdef readonly str address
    cdef ReplicaEvents events
    cdef object listener                    # called with (replica_id, model, version, state, reason) at every change
    # sessions
    cdef readonly dict replicas             # ROUTER identity -> Replica
    cdef readonly dict replicas_by_id       # replica_id -> Replica
    cdef readonly uint64_t heartbeat_interval_us
    cdef readonly uint64_t heartbeat_timeout_us
    cdef public uint64_t overdue_floor_us   # no batch is overdue before
    cdef uint64_t next_batch_id
    # reuse
    cdef ZmqMessage[8] frames               # of the message being read, identity first
    cdef vector[FrameView] views            # of those frames
    cdef vector[ItemResult] items
    cdef vector[uint64_t] item_bytes
    cdef PredictLayout layout
    cdef bint reading
    # counters
    cdef readonly uint64_t messages_received
    cdef readonly uint64_t messages_sent
    cdef readonly uint64_t protocol_errors
    cdef readonly uint64_t late_results

    # receiving
    cdef bint has_input(self) noexcept
    cdef int read_messages(self, uint64_t now_us) except -1
    cdef int read_message(self) except -1
    cdef int handle_message(self, bint too_many_frames) except -1
    cdef int refuse_message(self, bytes identity, Replica replica, str cause, uint64_t now_us) except -1
    # sessions
    cdef int handle_stranger(self, bytes identity, RpcHeader& header, uint64_t now_us) except -1
    cdef int register(self, bytes identity, object who, uint64_t now_us) except -1
    cdef int handle_known(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1
    cdef int step(self, Replica replica, int event, str reason) except -1
    cdef bint is_overdue(self, Replica replica, uint64_t now_us) noexcept
    cdef int judge(self, Replica replica, uint64_t now_us) except -1
    cdef int lose(self, Replica replica, str reason, uint64_t now_us) except -1
    # results
    cdef int handle_result(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1
    cdef int handle_batch_error(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1
    cdef int handle_session_error(self, Replica replica, uint64_t now_us) except -1
    # sending
    cdef int send_frame(self, const void* data, size_t size, int flags) noexcept
    cdef int send_message(self, ZmqMessage* message, int flags) noexcept
    cdef int send_control(self, bytes identity, uint8_t kind, uint16_t code, bytes text) except -1
    cdef int send_batch(self, Replica replica, SlotPool* pool, uint64_t now_us) except -1
