# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the RPC server needs of a socket that containers connect to: whole messages in, whole messages out."""

MAX_MESSAGE_BYTES = kRpcMaxMessageBytes
MAX_FRAMES = kRpcMaxFrames


cdef class MessageHandler:
    cdef int handle_message(self, RpcTransport transport, bytes identity, bint too_many_frames) except -1:
        raise NotImplementedError

    cdef int handle_closed(self, RpcTransport transport, bytes identity) except -1:
        raise NotImplementedError

    cdef int handle_offence(self, RpcTransport transport, bytes identity, str cause) except -1:
        raise NotImplementedError

    cdef int handle_end(self, uint64_t now_us) except -1:
        raise NotImplementedError


cdef class RpcTransport:
    def __init__(self, str address):
        self.address = address
        self.replicas = {}

    def attach(self, MessageHandler handler):
        """Names who is given the messages."""
        self.handler = handler

    def start(self, loop):
        """Waits for messages on this loop."""
        raise NotImplementedError

    def close(self):
        """Closes the socket; what was sent is still delivered."""
        raise NotImplementedError

    cdef int send(self, bytes identity, vector[FrameView]& heads, vector[FrameView]& payload,
                  uint64_t payload_bytes, bint has_payload) except -1:
        """Sends one message: each of `heads` is a frame, and the parts of `payload` together are the last one.

        0, or 1 if the connection is gone (then nothing of it arrives). The bytes are taken before it returns.
        """
        raise NotImplementedError

    cdef int end_peer(self, bytes identity) except -1:
        """Hears no more of a connection that broke the rules; what was sent to it before still arrives if it reads."""
        raise NotImplementedError

    cdef str describe(self, bytes identity):
        """Who is at the other end of a connection, for the log."""
        return f"connection {identity.hex()}"

    cdef int catch_up(self, uint64_t now_us) except -1:
        """Handles what came in while something was sent, where the wake-up for it may have been lost."""
        return 0

    cdef bint hear(self, uint64_t now_us) except? True:
        """Reads what has come, without a wake-up; False if there is more."""
        raise NotImplementedError
