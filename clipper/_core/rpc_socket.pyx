# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The ROUTER socket on the loop: whole messages in, messages out; what they mean is rpc_server's.

ZeroMQ's descriptor is edge-triggered: it says that something happened, not that something is there, and a send may
swallow the edge of a message that came in meanwhile. So ZMQ_EVENTS is read again after every send and every receive,
and nothing here polls.
"""

import logging

import zmq
from libc.errno cimport EINTR
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.rpc_codec cimport (
    EncodedHeader, RpcHeader, kRpcHeaderBytes, kRpcShaped, lay_out_predict, rpc_encode_header,
)

_log = logging.getLogger("clipper.frontend.rpc")

MAX_MESSAGE_BYTES = 1 << 30                # a frame above this drops the connection that sends it
cdef enum:
    MAX_FRAMES = 8                         # identity, header and at most three more; what is longer is garbage
    MESSAGES_PER_TURN = 256                # then the HTTP side of the loop gets its turn


cdef class RpcSocket:
    def __init__(self, context, str address):
        cdef string error
        if not self.zmq.load(error):
            raise ImportError(f"{error.decode()}: pyzmq's wheels carry libzmq as a library of its own; install one")
        self.next_batch_id = 1
        self.address = address
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)    # a send to a peer that is gone fails instead of vanishing
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self.socket.bind(address)
        self.handle = <void*><size_t>self.socket.underlying
        self.file_descriptor = self.socket.getsockopt(zmq.FD)

    def start(self, loop):
        """Waits for messages on this loop."""
        self.loop = loop
        loop.add_reader(self.file_descriptor, self.on_readable)
        # What came before the descriptor was watched has made its edge already.
        loop.call_soon(self.on_readable)

    cdef int close_socket(self) except -1:
        if self.loop is not None:
            self.loop.remove_reader(self.file_descriptor)
            self.loop = None
        self.handle = NULL                     # to ZeroMQ no socket; the memory behind it may go at any time
        self.socket.close(linger=200)
        return 0

    cdef int handle_message(self, bint too_many_frames) except -1:
        raise NotImplementedError

    cdef int handle_end(self, uint64_t now_us) except -1:
        raise NotImplementedError

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

    cdef int read_messages(self, uint64_t now_us) except -1:
        cdef int count = 0
        if self.reading:                       # a send from within a message's handling: the loop below goes on
            return 0
        self.reading = True
        try:
            while self.has_input():
                if count == MESSAGES_PER_TURN:
                    self.loop.call_soon(self.on_readable)
                    break
                count += 1
                try:
                    self.read_message()
                except Exception:              # must not keep the other messages waiting: their edge is gone
                    _log.exception("a message from a container could not be handled")
        finally:
            self.reading = False
        if count > 0:
            self.handle_end(now_us)
        return 0

    cdef int read_message(self) except -1:
        """Receives one whole message and handles it. A message of too many frames is read to its end and refused."""
        cdef int received = 0, extra = 0, index
        cdef bint more = True
        cdef ZmqMessage surplus
        cdef ZmqMessage* frame
        cdef FrameView view
        self.views.clear()
        try:
            while more:
                if received < MAX_FRAMES:
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
                else:
                    view.data = <const char*>self.zmq.msg_data(frame)
                    view.bytes = self.zmq.msg_size(frame)
                    self.views.push_back(view)
            self.messages_received += 1
            self.handle_message(extra > 0)
        finally:
            for index in range(received):
                self.zmq.msg_close(&self.frames[index])
        return 0

    # -- sending -----------------------------------------------------------------------------------------------------

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

    cdef int send_control(self, bytes identity, uint8_t kind, uint16_t code, bytes text) except -1:
        """A message about the session. A peer that is gone hears nothing; its session ends by itself."""
        cdef RpcHeader header
        cdef EncodedHeader encoded
        header.type = kind
        header.code = code
        rpc_encode_header(header, encoded.bytes)
        if self.send_frame(<const char*>identity, len(identity), kZmqSendMore) != 0:
            return 0
        self.send_frame(encoded.bytes, kRpcHeaderBytes, 0 if text is None else kZmqSendMore)
        if text is not None:
            self.send_frame(<const char*>text, len(text), 0)
        self.messages_sent += 1
        return 0

    cdef int send_batch(self, Replica replica, SlotPool* pool, uint64_t now_us) except -1:
        """Sends replica.slots as one PREDICT. 0, or 1 if the replica's connection is gone (then nothing was sent).

        The inputs are copied once, from their slots into the message, which ZeroMQ then owns.
        """
        cdef ModelRuntime model = <ModelRuntime>replica.model
        cdef ZmqMessage payload
        cdef EncodedHeader encoded
        cdef char* at
        cdef uint32_t slot
        cdef uint64_t deadline_us = pool.deadline_us(replica.slots[0])
        self.item_bytes.clear()
        for slot in replica.slots:
            self.item_bytes.push_back(pool.payload_bytes(slot))
        replica.batch_id = self.next_batch_id
        self.next_batch_id += 1
        lay_out_predict(model.input_spec, self.item_bytes.data(), <uint32_t>replica.slots.size(), replica.batch_id,
                        deadline_us - now_us if deadline_us > now_us else 1, self.layout)
        if self.zmq.msg_init_size(&payload, self.layout.payload_bytes) != 0:
            raise MemoryError(f"no memory for a batch of {self.layout.payload_bytes} bytes")
        at = <char*>self.zmq.msg_data(&payload)
        for slot in replica.slots:
            memcpy(at, pool.payload(slot), pool.payload_bytes(slot))
            at += pool.payload_bytes(slot)
        rpc_encode_header(self.layout.header, encoded.bytes)
        replica.busy = True
        replica.sent_us = now_us
        # Only the first frame can meet a peer that is gone; ZeroMQ takes a message whole or not at all.
        if self.send_frame(<const char*>replica.identity, len(replica.identity), kZmqSendMore) != 0:
            self.zmq.msg_close(&payload)
            return 1
        self.send_frame(encoded.bytes, kRpcHeaderBytes, kZmqSendMore)
        if self.layout.header.flags & kRpcShaped:
            self.send_frame(model.input_spec.shape.data(), model.input_spec.shape.size() * 8, kZmqSendMore)
        if not self.layout.offsets.empty():
            self.send_frame(self.layout.offsets.data(), self.layout.offsets.size() * 8, kZmqSendMore)
        self.send_message(&payload, 0)
        self.messages_sent += 1
        return 0
