# Hop 7, the wire: what RpcServer needs of a socket that containers connect to. Its kinds: rpc_unix, rpc_zmq.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.rpc_codec cimport FrameView

cdef extern from "clock.hpp" namespace "clipper" nogil:
    uint64_t monotonic_us() noexcept

cdef extern from *:
    """
    constexpr uint64_t kRpcMaxMessageBytes = 1ull << 30;
    constexpr uint32_t kRpcMaxFrames = 7;
    """
    const uint64_t kRpcMaxMessageBytes     # a longer message ends the connection that sends it
    const uint32_t kRpcMaxFrames           # a header and at most three more are legal; what is longer is garbage


cdef class MessageHandler:
    # Implemented by RpcServer. The message's frames are in transport.views.
    cdef int handle_message(self, RpcTransport transport, bytes identity, bint too_many_frames) except -1
    cdef int handle_closed(self, RpcTransport transport, bytes identity) except -1
    cdef int handle_offence(self, RpcTransport transport, bytes identity, str cause) except -1
    cdef int handle_end(self, uint64_t now_us) except -1        # after the last message of a wake-up


cdef class RpcTransport:
    cdef MessageHandler handler
    cdef object loop                        # None before start() and after close()
    cdef readonly str address
    cdef vector[FrameView] views            # frames of the message in hand, header first; valid while it is handled
    cdef readonly dict replicas             # identity of a connection -> Replica; kept by RpcServer
    cdef readonly uint64_t messages_received
    cdef readonly uint64_t messages_sent

    cdef int send(self, bytes identity, vector[FrameView]& heads, vector[FrameView]& payload,
                  uint64_t payload_bytes, bint has_payload) except -1
    cdef int end_peer(self, bytes identity) except -1
    cdef str describe(self, bytes identity)
    cdef int catch_up(self, uint64_t now_us) except -1
    cdef bint hear(self, uint64_t now_us) except? True
