"""A connection over a Unix socket that speaks ZMTP itself, on the thread that calls it.

ZeroMQ gives every message to an I/O thread on its way in and out, and a query at one connection is little else than
these hand-overs. Here the caller's own thread waits in ``recv``: a batch costs it one ``recv`` and one ``sendmsg``. The
other end may be a ROUTER socket of ZeroMQ or the frontend's own endpoint; the bytes are the same.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any, Final

from model_containers.codec import Frame
from model_containers.connection import (
    RECONNECT_INTERVAL_MAX_MS,
    RECONNECT_INTERVAL_MS,
    SEND_WAIT_MS,
    FrontendStuckError,
)
from model_containers.zmtp import HELLO, MessageReader, ZmtpError, encode_message

logger = logging.getLogger("model_containers")

SOCKET_BUFFER_BYTES: Final = 4 << 20  # what may lie in the kernel on its way out; the kernel lowers it to its own limit
COPIED_BYTES: Final = 4096  # up to here one copy costs less than telling the kernel of each buffer
_MOST_PARTS: Final = 1024  # IOV_MAX: buffers of one sendmsg


def _timeval(time_us: int) -> bytes:
    return struct.pack("@ll", *divmod(time_us, 1_000_000))


_AT_ONCE: Final = _timeval(1)  # zero would be without end


class LocalConnection:
    """A ``Connection`` to an ``ipc://`` address.

    Parameters
    ----------
    address : str
        ``ipc://`` and a path; ``ipc://@name`` is a name in the abstract namespace, as for ZeroMQ.
    wait_ms : int
        How long ``receive`` may wait.
    """

    def __init__(self, address: str, wait_ms: int) -> None:
        name = address.removeprefix("ipc://")
        self._address = address
        self._path = "\0" + name[1:] if name.startswith("@") else name
        self._wait_ms = wait_ms
        self._hurries = False
        self._socket: socket.socket | None = None  # from connect on, so also before the connection is open
        self._reader = MessageReader()
        self._retry_ms = RECONNECT_INTERVAL_MS
        self._retry_at_s = 0.0
        self._told = ""  # the last failure that was logged; a repeated one is no news
        self.is_open = False
        self.generation = 0
        self._dial()

    def receive(self, wait: bool) -> list[Frame] | None:
        """Return one whole message; None if there is none, or the generation has changed."""
        peer = self._socket
        if peer is None or not self.is_open:
            self._open(wait)
            return None
        reader = self._reader
        try:
            if reader.filled:
                frames = self._take(reader)
                if frames is not None:
                    return frames
            while True:
                # The rest of a long frame, whose length is known, in one call however it comes.
                whole = socket.MSG_WAITALL if reader.missing else 0
                count = peer.recv_into(reader.space(), 0, whole if wait else socket.MSG_DONTWAIT)
                if not count:
                    self._lose("it closed the connection")
                    return None
                reader.add(count)
                frames = self._take(reader)
                if frames is not None or wait:  # having waited once, let the owner see to its own duties
                    return frames
        except BlockingIOError:
            return None
        except (OSError, ZmtpError) as error:
            self._lose(str(error))
            return None

    def _take(self, reader: MessageReader) -> list[Frame] | None:
        frames = reader.take()
        if reader.replies:
            replies, reader.replies = b"".join(reader.replies), []
            try:
                self._send_all(replies)
            except BlockingIOError:
                self._lose("it does not read")
            except OSError:  # as in ``send``
                return frames
        return frames

    def send(self, frames: Sequence[Any]) -> None:
        """Send one message; it is dropped if no frontend is there.

        Raises
        ------
        FrontendStuckError
            If the frontend read nothing for SEND_WAIT_MS.
        """
        peer = self._socket
        if peer is None or not self.is_open:
            return
        parts, total = encode_message(frames)
        try:
            if total <= COPIED_BYTES:
                sent = peer.send(b"".join(parts), socket.MSG_NOSIGNAL)
            else:
                sent = peer.sendmsg(parts[:_MOST_PARTS], (), socket.MSG_NOSIGNAL)
            if sent != total:  # a signal came, or the time ran out after some progress
                self._send_all(memoryview(b"".join(parts))[sent:])
        except BlockingIOError:
            self._lose("it does not read")  # part of a message may have left: nothing can follow it
            raise FrontendStuckError from None
        except OSError:  # it has hung up; what it said before is still to be received, and after that the end
            return

    def _send_all(self, rest: bytes | memoryview) -> None:
        peer = self._socket
        while peer is not None and rest:
            rest = rest[peer.send(rest, socket.MSG_NOSIGNAL) :]

    def set_wait(self, wait_ms: int) -> None:
        """Set how long ``receive`` may wait."""
        self._wait_ms, self._hurries = wait_ms, False
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(wait_ms * 1000))

    def hurry(self) -> None:
        """Let ``receive`` not wait: a ``recv`` that a signal has interrupted begins again with the new time limit."""
        self._hurries = True
        peer = self._socket
        if peer is not None:
            with contextlib.suppress(OSError):  # it may have been closed between the two lines that do so
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _AT_ONCE)

    def close(self, flush_us: int) -> None:
        """Close for good. What was sent lies in the frontend's socket already: there is nothing to wait for."""
        self._hang_up()

    # -- finding the frontend ------------------------------------------------------------------------------------

    def _open(self, wait: bool) -> None:
        """Take one step towards an open connection, waiting at most once."""
        peer, reader = self._socket, self._reader
        if peer is None:
            self._redial(wait)
            return
        try:
            count = peer.recv_into(reader.space(), 0, 0 if wait else socket.MSG_DONTWAIT)
            if not count:
                self._lose("it closed the connection before it had said who it is")
                return
            reader.add(count)
            if not reader.greet():
                return
        except BlockingIOError:
            return
        except (OSError, ZmtpError) as error:
            self._lose(str(error))
            return
        self.is_open = True
        self.generation += 1
        self._retry_ms, self._told = RECONNECT_INTERVAL_MS, ""

    def _redial(self, wait: bool) -> None:
        """Connect if it is time to; otherwise wait for that time, but no longer than ``receive`` may."""
        pause_s = self._retry_at_s - time.monotonic()
        if pause_s > 0:
            if wait and not self._hurries:
                time.sleep(min(pause_s, self._wait_ms / 1000))
            return
        self._dial()

    def _dial(self) -> None:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            peer.setblocking(False)  # connect would wait for a frontend that accepts nobody
            peer.connect(self._path)
            peer.setblocking(True)
            wait = _AT_ONCE if self._hurries else _timeval(self._wait_ms * 1000)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_WAIT_MS * 1000))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
            peer.send(HELLO, socket.MSG_NOSIGNAL)  # a fresh socket takes it whole
        except OSError as error:
            peer.close()
            self._lose(str(error))
            return
        self._reader = MessageReader()
        self._socket = peer

    def _lose(self, cause: str) -> None:
        """Note that no frontend is there; the next attempt is due after a pause that grows up to its limit."""
        if self.is_open:
            logger.warning("lost the frontend at %s: %s", self._address, cause)
        elif cause != self._told:
            logger.warning("no frontend at %s yet: %s", self._address, cause)
            self._told = cause
        self._hang_up()
        self._retry_at_s = time.monotonic() + self._retry_ms / 1000
        self._retry_ms = min(2 * self._retry_ms, RECONNECT_INTERVAL_MAX_MS)

    def _hang_up(self) -> None:
        peer, self._socket = self._socket, None  # first, because a signal may come between the two
        self.is_open = False
        if peer is not None:
            peer.close()
