# Hop 7, the wire: the ROUTER socket on the loop. One of the two files of the core that read a clock.
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.replica cimport Replica
from clipper._core.rpc_codec cimport FrameView, PredictLayout
from clipper._core.slot_pool cimport SlotPool

cdef extern from "clock.hpp" namespace "clipper" nogil:
    uint64_t monotonic_us() noexcept

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


cdef class RpcSocket:
    cdef ZmqApi zmq
    cdef object socket                      # zmq.Socket; owns the handle below
    cdef void* handle
    cdef object loop                        # None before start() and after close()
    cdef readonly int file_descriptor
    cdef readonly str address
    cdef uint64_t next_batch_id
    # reuse
    cdef ZmqMessage[8] frames               # of the message being read, identity first
    cdef vector[FrameView] views            # of those frames; valid while it is handled
    cdef vector[uint64_t] item_bytes
    cdef PredictLayout layout
    cdef bint reading
    # counters
    cdef readonly uint64_t messages_received
    cdef readonly uint64_t messages_sent

    # for the class above: one message in self.views; the end of a wake-up
    cdef int handle_message(self, bint too_many_frames) except -1
    cdef int handle_end(self, uint64_t now_us) except -1
    # receiving
    cdef bint has_input(self) noexcept
    cdef int read_messages(self, uint64_t now_us) except -1
    cdef int read_message(self) except -1
    # sending
    cdef int send_frame(self, const void* data, size_t size, int flags) noexcept
    cdef int send_message(self, ZmqMessage* message, int flags) noexcept
    cdef int send_control(self, bytes identity, uint8_t kind, uint16_t code, bytes text) except -1
    cdef int send_batch(self, Replica replica, SlotPool* pool, uint64_t now_us) except -1
    cdef int close_socket(self) except -1
