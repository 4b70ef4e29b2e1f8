# Hop 7 on one host: a Unix socket that the loop reads and writes itself, speaking ZMTP.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cpp_bool
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.rpc_codec cimport FrameView
from clipper._core.rpc_transport cimport RpcTransport

cdef extern from "zmtp.hpp" namespace "clipper" nogil:
    const uint8_t kZmtpMore
    cdef enum class ZmtpStatus(uint8_t):
        NeedMore
        Message
        Command
        Bad
    cppclass ZmtpLimits:
        uint64_t max_message_bytes
        uint32_t max_frames
    cppclass ZmtpUnit:
        ZmtpStatus status
        uint64_t end
        uint64_t needed
        cpp_bool too_many_frames
        const char* error
    string zmtp_greeting() except +
    string zmtp_ready(const char* socket_type) except +
    ZmtpUnit zmtp_read_greeting(const char*, uint64_t) noexcept
    ZmtpUnit zmtp_read(const char*, uint64_t, const ZmtpLimits&, vector[FrameView]&) except +
    const char* zmtp_check_ready(const FrameView&) except +
    string zmtp_answer(const FrameView&) except +
    void zmtp_append_frame_head(string&, uint8_t, uint64_t) except +

cdef extern from "unix_write.hpp" namespace "clipper" nogil:
    cppclass WriteResult:
        uint64_t sent
        cpp_bool is_gone
    WriteResult write_parts(int, const vector[FrameView]&) noexcept
    void append_rest(string&, const vector[FrameView]&, uint64_t) except +

cdef enum Handshake:
    AWAITING_GREETING
    AWAITING_READY
    OPEN


cdef class UnixPeer:
    # One connection.
    cdef UnixTransport transport            # None once it is closed
    cdef object socket                      # owns the descriptor
    cdef int descriptor
    cdef bytes identity
    cdef Handshake handshake
    cdef vector[char] inbox                 # the beginning of a message whose end has not come
    cdef uint64_t needed                    # bytes of inbox without which there is no use in looking at it
    cdef string outbox                      # what the socket did not take yet
    cdef uint64_t outbox_sent               # of its beginning
    cdef bint is_paused                     # not read, because it does not read

    # receiving
    cdef int read_on(self) except -1
    cdef int read(self) except -1
    cdef int keep(self, vector[char]* source, uint64_t size, uint64_t taken) except -1
    cdef int take(self, const char* data, uint64_t size, uint64_t* taken) except -1
    cdef int take_unit(self, ZmtpUnit& unit) except -1
    cdef int take_command(self) except -1
    cdef int refuse(self, str cause) except -1
    cdef int hang_up(self) except -1
    # sending
    cdef int write(self, const vector[FrameView]& parts) except -1
    cdef int write_text(self, const string& text) except -1
    cdef bint write_rest(self) except -1
    cdef int watch(self, bint is_writing) except -1


cdef class UnixTransport(RpcTransport):
    cdef object listener
    cdef readonly dict peers                # identity -> UnixPeer
    cdef uint64_t last_identity
    # reuse
    cdef vector[char] buffer                # what was read last
    cdef string heads                       # frame heads and small frames of the message being sent
    cdef vector[FrameView] parts

    cdef int flush_out(self) except -1
