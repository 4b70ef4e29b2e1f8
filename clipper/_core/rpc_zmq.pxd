# Hop 7 over TCP, or to any ZeroMQ endpoint: a ROUTER socket, its work done by ZeroMQ's own thread.
from libc.stdint cimport uint64_t
from libcpp.string cimport string

from clipper._core.rpc_transport cimport RpcTransport

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


cdef class ZmqTransport(RpcTransport):
    cdef ZmqApi zmq
    cdef object socket                      # zmq.Socket; owns the handle below
    cdef void* handle
    cdef readonly int file_descriptor
    cdef ZmqMessage[8] frames               # of the message being read, identity first; reused
    cdef bint reading
    cdef readonly dict banned               # identities of connections that broke the rules, oldest first -> None

    # receiving
    cdef bint has_input(self) noexcept
    cdef int read_messages(self, uint64_t now_us) except -1
    cdef int read_message(self) except -1
    # sending
    cdef int send_frame(self, const void* data, size_t size, int flags) noexcept
    cdef int send_message(self, ZmqMessage* message, int flags) noexcept
