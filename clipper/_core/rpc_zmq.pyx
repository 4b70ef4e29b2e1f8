# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""RPC over ZeroMQ: a ROUTER socket on the loop, for containers on other hosts.

ZeroMQ's descriptor is edge-triggered: it says that something happened, not that something is there, and a send may
swallow the edge of a message that came in meanwhile. So ZMQ_EVENTS is read again after every send and every receive,
and nothing here polls.
"""

import logging

import cython
import zmq
from libc.errno cimport EINTR
from libc.string cimport memcpy
from libcpp.vector cimport vector

from clipper._core.rpc_codec cimport FrameView
from clipper._core.rpc_transport cimport kRpcMaxFrames, kRpcMaxMessageBytes, monotonic_us

_log = logging.getLogger("clipper.frontend.rpc")

CLOSE_LINGER_MS = 200                      # for the last messages, DRAIN above all
DEAD_PEER_MS = 30_000                      # a host that answers nothing for so long is gone: its connection is closed
MAX_BANNED = 4096                          # connections that are not heard; beyond them the oldest gets another chance
cdef enum:
    MESSAGES_PER_TURN = 256                # then the HTTP side of the loop gets its turn


@cython.final
cdef class ZmqTransport(RpcTransport):
    def __init__(self, context, str address, configure=None):
        cdef string error
        super().__init__(address)
        self.banned = {}
        if not self.zmq.load(error):
            raise ImportError(f"{error.decode()}: pyzmq's wheels carry libzmq as a library of its own; install one")
        self.socket = context.socket(zmq.ROUTER)
        try:
            self.socket.setsockopt(zmq.LINGER, 0)
            self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)    # a send to a peer that is gone fails, not vanishes
            self.socket.setsockopt(zmq.MAXMSGSIZE, kRpcMaxMessageBytes)
            # A host that lost its power says no goodbye, and TCP alone would hold its connection for a quarter of an
            # hour where something waits for it, and for ever where nothing does.
            self.socket.setsockopt(zmq.TCP_MAXRT, DEAD_PEER_MS)
            self.socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
            self.socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, DEAD_PEER_MS // 2000)
            self.socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, DEAD_PEER_MS // 6000)
            self.socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
            if configure is not None:
                configure(self.socket)
            self.socket.bind(address)
        except BaseException:
            self.socket.close(linger=0)
            raise
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.handle = <void*><size_t>self.socket.underlying
        self.file_descriptor = self.socket.getsockopt(zmq.FD)

    def start(self, loop):
        self.loop = loop
        loop.add_reader(self.file_descriptor, self.on_readable)
        # What came before the descriptor was watched has made its edge already.
        loop.call_soon(self.on_readable)

    def close(self):
        if self.loop is not None:
            self.loop.remove_reader(self.file_descriptor)
            self.loop = None
        self.handle = NULL                     # to ZeroMQ no socket; the memory behind it may go at any time
        self.socket.close(linger=CLOSE_LINGER_MS)

    # -- receiving ---------------------------------------------------------------------------------------------------

    def on_readable(self):
        """The loop's reader callback."""
        if self.loop is not None:
            self.read_messages(monotonic_us())

    cdef bint has_input(self) noexcept:
        cdef int events = 0
        cdef size_t size = sizeof(events)
        if self.zmq.getsockopt(self.handle, kZmqOptionEvents, &events, &size) != 0:
            return False
        return (events & kZmqPollIn) != 0

    cdef int catch_up(self, uint64_t now_us) except -1:
        if self.has_input():
            self.read_messages(now_us)
        return 0

    cdef bint hear(self, uint64_t now_us) except? True:
        self.read_messages(now_us)
        return not self.has_input()

    cdef int read_messages(self, uint64_t now_us) except -1:
        cdef int left = MESSAGES_PER_TURN
        if self.reading:                       # a send from within a message's handling: the loop below goes on
            return 0
        self.reading = True
        try:
            while left > 0 and self.has_input():
                while left > 0 and self.has_input():
                    left -= 1
                    try:
                        self.read_message()
                    except Exception:          # must not keep the other messages waiting: their edge is gone
                        _log.exception("a message from a container could not be handled")
                self.handler.handle_end(now_us)    # sends, too: so look again
        finally:
            self.reading = False
            if left == 0:
                self.loop.call_soon(self.on_readable)
        return 0

    cdef int read_message(self) except -1:
        """Receives one whole message and handles it. A message of too many frames is read to its end and refused."""
        cdef int received = 0, extra = 0, index
        cdef bint more = True
        cdef ZmqMessage surplus
        cdef ZmqMessage* frame
        cdef FrameView view
        cdef bytes identity
        self.views.clear()
        try:
            while more:
                if received <= <int>kRpcMaxFrames:     # and the identity
                    frame = &self.frames[received]
                    received += 1
                else:
                    frame = &surplus
                    extra += 1
                self.zmq.msg_init(frame)
                while self.zmq.msg_recv(frame, self.handle, kZmqDontWait) < 0:
                    if self.zmq.zmq_errno() != EINTR:
                        return 0               # cannot be: ZeroMQ delivers whole messages
                more = self.zmq.msg_more(frame) != 0
                if extra:
                    self.zmq.msg_close(frame)
                elif received > 1:
                    view.data = <const char*>self.zmq.msg_data(frame)
                    view.bytes = self.zmq.msg_size(frame)
                    self.views.push_back(view)
            self.messages_received += 1
            identity = (<const char*>self.zmq.msg_data(&self.frames[0]))[:self.zmq.msg_size(&self.frames[0])]
            if self.banned and identity in self.banned:
                return 0
            self.handler.handle_message(self, identity, extra > 0)
        finally:
            for index in range(received):
                self.zmq.msg_close(&self.frames[index])
        return 0

    cdef int end_peer(self, bytes identity) except -1:
        """ZeroMQ offers no way to end one connection of a ROUTER; so what comes by it is read and forgotten."""
        if len(self.banned) >= MAX_BANNED:
            del self.banned[next(iter(self.banned))]
        self.banned[identity] = None
        return 0

    # -- sending -----------------------------------------------------------------------------------------------------

    cdef int send(self, bytes identity, vector[FrameView]& heads, vector[FrameView]& payload,
                  uint64_t payload_bytes, bint has_payload) except -1:
        """The payload is copied once, from its parts into the message, which ZeroMQ then owns."""
        cdef ZmqMessage message
        cdef FrameView part
        cdef char* at
        cdef size_t index
        if has_payload:
            if self.zmq.msg_init_size(&message, payload_bytes) != 0:
                raise MemoryError(f"no memory for a message of {payload_bytes} bytes")
            at = <char*>self.zmq.msg_data(&message)
            for part in payload:
                memcpy(at, part.data, part.bytes)
                at += part.bytes
        # Only the first frame can meet a peer that is gone; ZeroMQ takes a message whole or not at all.
        if self.send_frame(<const char*>identity, len(identity), kZmqSendMore) != 0:
            if has_payload:
                self.zmq.msg_close(&message)
            return 1
        for index in range(heads.size()):
            self.send_frame(heads[index].data, heads[index].bytes,
                            kZmqSendMore if has_payload or index + 1 < heads.size() else 0)
        if has_payload:
            self.send_message(&message, 0)
        self.messages_sent += 1
        return 0

    cdef int send_frame(self, const void* data, size_t size, int flags) noexcept:
        """0, or -1 if the peer is gone or takes nothing."""
        cdef ZmqMessage message
        if self.zmq.msg_init_size(&message, size) != 0:
            return -1
        if size > 0:
            memcpy(self.zmq.msg_data(&message), data, size)
        return self.send_message(&message, flags)

    cdef int send_message(self, ZmqMessage* message, int flags) noexcept:
        while self.zmq.msg_send(message, self.handle, flags | kZmqDontWait) < 0:
            if self.zmq.zmq_errno() != EINTR:
                self.zmq.msg_close(message)
                return -1
        return 0
