# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""RPC on one host: a Unix stream socket that the loop reads and writes itself, speaking ZMTP (ZeroMQ RFC 23).

A batch that goes through ZeroMQ changes threads twice on each side of the socket; here it is one ``sendmsg`` from the
slots that hold its inputs, and its result one ``recv``. What is on the wire is the same, so a container that uses
ZeroMQ connects to the same address.
"""

import logging
import os
import select
import socket as sockets
import stat
import struct

import cython
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memmove

from clipper._core.rpc_transport cimport kRpcMaxFrames, kRpcMaxMessageBytes, monotonic_us

from clipper.errors import InvalidArgumentError

_log = logging.getLogger("clipper.frontend.rpc")

cdef extern from "sys/socket.h" nogil:
    ssize_t c_recv "recv" (int, void*, size_t, int)
    const int MSG_DONTWAIT

SCHEME = "ipc://"
_CREDENTIALS = struct.Struct("3i")          # struct ucred: pid, uid, gid
MAX_PEERS = 4096                           # connections of containers to one worker; more are hung up on
ACCEPT_PAUSE_S = 1.0                       # until the next try, after a connection could not be taken
CLOSE_LINGER_US = 1_000_000                # for the last messages, DRAIN above all; who computes reads every 250 ms
cdef enum:
    READ_BYTES = 1 << 18                   # at most a read
    READS_A_WAKE_UP = 3                    # then the others get their turn
    READ_STEP_BYTES = 1 << 16              # the inbox grows by as much as is missing, but by no more than
    READ_STEP_MAX_BYTES = 1 << 22          # this: what a peer announces is not believed before it has come
    COPY_BYTES = 1 << 14                   # a payload up to this is copied together; above, it is sent from its slots
    MAX_UNREAD_BYTES = 1 << 24             # a peer that leaves more unread is not read from either
    SEND_BUFFER_BYTES = 1 << 20            # asked of the kernel, which cuts it to net.core.wmem_max


@cython.final
cdef class UnixPeer:
    def __init__(self, UnixTransport transport, socket, bytes identity):
        cdef string greeting = zmtp_greeting()
        self.transport = transport
        self.socket = socket
        self.descriptor = socket.fileno()
        self.identity = identity
        self.handshake = AWAITING_GREETING
        transport.loop.add_reader(self.descriptor, self.on_readable)
        self.write_text(greeting)

    # -- receiving ---------------------------------------------------------------------------------------------------

    def on_readable(self):
        """The loop's reader callback."""
        cdef UnixTransport transport = self.transport
        if transport is None:
            return
        try:
            self.read_on()
        except Exception:                      # what is left of it is kept, and whoever was answered before gets it
            _log.exception("what came from %s could not be handled", transport.describe(self.identity))
        transport.handler.handle_end(monotonic_us())

    cdef int read_on(self) except -1:
        """Reads until nothing is there; beyond a few reads it goes on in the loop's next turn."""
        # What came may be the last words of a container that left something unread itself. Of such a connection, which
        # is in error, the loop tells once and watches it no more: its end is found now or by the next tick.
        cdef int _count
        for _count in range(READS_A_WAKE_UP):
            if self.is_paused or self.read() == 0:
                return 0
        self.transport.loop.call_soon(self.on_readable)
        return 0

    cdef int read(self) except -1:
        """Reads once; whole messages are handled, the rest is kept. 1 if something came and more may come."""
        cdef vector[char]* into = &self.transport.buffer
        cdef uint64_t kept = self.inbox.size(), taken = 0, room = READ_BYTES
        cdef ssize_t got
        if kept:
            into = &self.inbox
            room = self.needed - kept if self.needed > kept else 0
            room = min(max(room, <uint64_t>READ_STEP_BYTES), <uint64_t>READ_STEP_MAX_BYTES)
            into.resize(kept + room)
        got = c_recv(self.descriptor, into.data() + kept, room, MSG_DONTWAIT)
        if kept:
            into.resize(kept + max(got, <ssize_t>0))
        if got < 0:
            return 0 if errno == EAGAIN or errno == EINTR else self.hang_up()
        if got == 0:
            return self.hang_up()
        if kept + got < self.needed:
            return 1
        try:
            self.take(into.data(), kept + got, &taken)
        finally:                               # also what follows a message that could not be handled
            self.keep(into, kept + got, taken)
        return self.transport is not None      # None: garbage, hung up on

    cdef int keep(self, vector[char]* source, uint64_t size, uint64_t taken) except -1:
        """Keeps what is the beginning of a message, of `size` bytes of which the first `taken` are done with."""
        if self.transport is None or taken == size:
            self.inbox = vector[char]()        # gives back what a large message took
        elif source != &self.inbox:
            self.inbox.assign(source.data() + taken, source.data() + size)
        elif taken:
            memmove(self.inbox.data(), self.inbox.data() + taken, size - taken)
            self.inbox.resize(size - taken)
        return 0

    cdef int take(self, const char* data, uint64_t size, uint64_t* taken) except -1:
        """Handles every whole message in `data`."""
        cdef UnixTransport transport = self.transport
        cdef ZmtpLimits limits
        cdef ZmtpUnit unit
        limits.max_message_bytes = kRpcMaxMessageBytes
        limits.max_frames = kRpcMaxFrames
        self.needed = 0
        while self.transport is not None and taken[0] < size:
            if self.handshake == AWAITING_GREETING:
                unit = zmtp_read_greeting(data + taken[0], size - taken[0])
            else:
                unit = zmtp_read(data + taken[0], size - taken[0], limits, transport.views)
            if unit.status == ZmtpStatus.Bad:
                return self.refuse(unit.error.decode())
            if unit.status == ZmtpStatus.NeedMore:
                self.needed = unit.needed
                return 0
            taken[0] += unit.end
            try:
                self.take_unit(unit)
            except Exception:                  # must not keep the other messages waiting
                _log.exception("a message from a container could not be handled")
        return 0

    cdef int take_unit(self, ZmtpUnit& unit) except -1:
        """Handles a message or a command: `transport.views` has its frames."""
        cdef UnixTransport transport = self.transport
        if unit.status == ZmtpStatus.Command:
            return self.take_command()
        if self.handshake != OPEN:
            return self.refuse("its handshake does not begin with READY")
        transport.messages_received += 1
        return transport.handler.handle_message(transport, self.identity, unit.too_many_frames)

    cdef int take_command(self) except -1:
        """A step of the handshake, or a command after it."""
        cdef const char* error
        cdef string answer
        if self.handshake == AWAITING_GREETING:
            self.handshake = AWAITING_READY
            return 0
        if self.handshake == AWAITING_READY:
            error = zmtp_check_ready(self.transport.views[0])
            if error[0]:
                return self.refuse(error.decode())
            self.handshake = OPEN
            answer = zmtp_ready(b"ROUTER")
        else:
            answer = zmtp_answer(self.transport.views[0])
        return self.write_text(answer)

    cdef int refuse(self, str cause) except -1:
        """Ends a connection on which nothing can follow, for it is not known where the next message begins."""
        self.transport.handler.handle_offence(self.transport, self.identity, cause)
        return self.hang_up()

    cdef int hang_up(self) except -1:
        """Ends the connection, and with it the session that a container has on it."""
        cdef UnixTransport transport = self.transport
        if transport is None:
            return 0
        self.transport = None
        transport.loop.remove_reader(self.descriptor)
        transport.loop.remove_writer(self.descriptor)
        self.socket.close()
        del transport.peers[self.identity]
        return transport.handler.handle_closed(transport, self.identity)

    # -- sending -----------------------------------------------------------------------------------------------------

    cdef int write_text(self, const string& text) except -1:
        cdef vector[FrameView] parts
        cdef FrameView part
        part.data = text.data()
        part.bytes = text.size()
        parts.push_back(part)
        return self.write(parts)

    cdef int write(self, const vector[FrameView]& parts) except -1:
        """Sends now what the socket takes and keeps the rest; 1 if nobody is there. Reading then finds the end."""
        cdef WriteResult result
        if self.outbox.empty():
            result = write_parts(self.descriptor, parts)
            if result.is_gone:
                return 1
        append_rest(self.outbox, parts, result.sent)
        if not self.outbox.empty():
            self.watch(True)
        return 0

    def on_writable(self):
        """The loop's writer callback: something is left over and the socket takes more."""
        if self.transport is not None and self.write_rest():
            self.watch(False)

    cdef bint write_rest(self) except -1:
        """Sends what the socket takes of what is left over; True if there is nothing more to be sent."""
        cdef vector[FrameView] parts
        cdef FrameView part
        cdef WriteResult result
        part.data = self.outbox.data() + self.outbox_sent
        part.bytes = self.outbox.size() - self.outbox_sent
        parts.push_back(part)
        result = write_parts(self.descriptor, parts)
        self.outbox_sent += result.sent
        if not result.is_gone and self.outbox_sent < self.outbox.size():
            return False
        self.outbox = string()
        self.outbox_sent = 0
        return True

    cdef int watch(self, bint is_writing) except -1:
        """Follows the outbox: written as long as there is something in it, read unless there is too much in it."""
        loop = self.transport.loop
        if is_writing:
            loop.add_writer(self.descriptor, self.on_writable)
        else:
            loop.remove_writer(self.descriptor)
        if (self.outbox.size() - self.outbox_sent > MAX_UNREAD_BYTES) == self.is_paused:
            return 0
        self.is_paused = not self.is_paused
        if self.is_paused:
            loop.remove_reader(self.descriptor)
        else:
            loop.add_reader(self.descriptor, self.on_readable)
        return 0


@cython.final
cdef class UnixTransport(RpcTransport):
    def __init__(self, str address):
        super().__init__(address)
        if not address.startswith(SCHEME + "/"):
            raise InvalidArgumentError(f"{address!r} is no Unix socket: expected {SCHEME} and an absolute path")
        path = address.removeprefix(SCHEME)
        self.peers = {}
        self.buffer.resize(READ_BYTES)
        if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)                    # of an earlier life
        self.listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_NONBLOCK)
        try:
            self.listener.bind(path)
            os.chmod(path, 0o600)
            self.listener.listen(sockets.SOMAXCONN)
        except BaseException:
            self.listener.close()
            raise

    def start(self, loop):
        self.loop = loop
        self.listen()

    def listen(self):
        """Takes connections, unless it has been closed meanwhile."""
        if self.loop is not None:
            self.loop.add_reader(self.listener.fileno(), self.on_connection)

    def on_connection(self):
        """The loop's reader callback of the listening socket: one connection a call, the others wake it again."""
        try:
            connection, _ = self.listener.accept()
        except OSError as error:               # there are no descriptors left: it would wake the loop without end
            _log.warning("a container's connection could not be taken: %s", error)
            self.loop.remove_reader(self.listener.fileno())
            self.loop.call_later(ACCEPT_PAUSE_S, self.listen)
            return
        if len(self.peers) >= MAX_PEERS:
            _log.warning("a container's connection was ended: there are MAX_PEERS=%d already", MAX_PEERS)
            connection.close()
            return
        connection.setblocking(False)
        connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.last_identity += 1
        identity = self.last_identity.to_bytes(8, "big")
        self.peers[identity] = UnixPeer(self, connection, identity)

    def close(self):
        cdef UnixPeer peer
        for peer in self.peers.values():
            self.loop.remove_reader(peer.descriptor)
            self.loop.remove_writer(peer.descriptor)
        self.flush_out()
        for peer in self.peers.values():
            peer.transport = None
            peer.socket.close()
        self.peers.clear()
        if self.loop is not None:
            self.loop.remove_reader(self.listener.fileno())
            self.loop = None
        if self.listener.fileno() >= 0:
            self.listener.close()
            try:
                os.unlink(self.address.removeprefix(SCHEME))
            except OSError:
                pass                           # whoever removed the directory was faster

    cdef int flush_out(self) except -1:
        """Gives the sockets some time to take what is left over for them. What still comes in is read past."""
        cdef UnixPeer peer
        cdef uint64_t now_us = monotonic_us(), until_us = now_us + <uint64_t>CLOSE_LINGER_US
        cdef int descriptor, events
        waiting = {peer.descriptor: peer for peer in self.peers.values() if not peer.outbox.empty()}
        poller = select.poll()
        for descriptor in waiting:
            poller.register(descriptor, select.POLLIN | select.POLLOUT)
        while waiting and now_us < until_us:
            for descriptor, events in poller.poll((until_us - now_us) // 1000 + 1):
                peer = waiting[descriptor]
                # A container that waits for us to take its answer takes nothing of ours before.
                if (events & select.POLLIN and c_recv(descriptor, self.buffer.data(), READ_BYTES, MSG_DONTWAIT) == 0
                        or events & (select.POLLERR | select.POLLHUP) or peer.write_rest()):
                    poller.unregister(descriptor)
                    del waiting[descriptor]
            now_us = monotonic_us()
        if waiting:
            _log.warning("%d containers did not read all that was sent to them in %d ms", len(waiting),
                         CLOSE_LINGER_US // 1000)
        return 0

    cdef int end_peer(self, bytes identity) except -1:
        cdef UnixPeer peer = self.peers.get(identity)
        return 0 if peer is None else peer.hang_up()

    cdef str describe(self, bytes identity):
        cdef UnixPeer peer = self.peers.get(identity)
        if peer is None:
            return "a connection that is gone"
        credentials = peer.socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, _CREDENTIALS.size)
        return f"process {_CREDENTIALS.unpack(credentials)[0]}"

    cdef bint hear(self, uint64_t now_us) except? True:
        cdef UnixPeer peer
        for peer in list(self.peers.values()):
            if peer.transport is not None:
                peer.read()
        return True                            # of each at least one message, if there was any

    cdef int send(self, bytes identity, vector[FrameView]& heads, vector[FrameView]& payload,
                  uint64_t payload_bytes, bint has_payload) except -1:
        """A large payload goes from its parts into the socket without a copy of ours."""
        cdef UnixPeer peer = self.peers.get(identity)
        cdef FrameView part
        cdef size_t index
        if peer is None:
            return 1
        self.heads.clear()
        for index in range(heads.size()):
            zmtp_append_frame_head(self.heads, kZmtpMore if has_payload or index + 1 < heads.size() else 0,
                                   heads[index].bytes)
            self.heads.append(heads[index].data, heads[index].bytes)
        if has_payload:
            zmtp_append_frame_head(self.heads, 0, payload_bytes)
            if payload_bytes <= COPY_BYTES:
                for part in payload:
                    self.heads.append(part.data, part.bytes)
        self.parts.clear()
        part.data = self.heads.data()
        part.bytes = self.heads.size()
        self.parts.push_back(part)
        if has_payload and payload_bytes > COPY_BYTES:
            self.parts.insert(self.parts.end(), payload.begin(), payload.end())
        if peer.write(self.parts) != 0:
            return 1
        self.messages_sent += 1
        return 0
