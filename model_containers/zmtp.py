"""ZMTP 3.0, the bytes that ZeroMQ puts on a stream (RFC 23): NULL mechanism, as a DEALER. No I/O.

A connection begins with a greeting of 64 bytes and one READY command from each side; then come frames: a byte of flags,
the size in one byte or eight, and that many bytes. A message is its frames up to the first one without MORE. Nothing
that a peer sends is trusted: every size is checked against its limit before memory is taken for it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model_containers.codec import Frame

MAX_FRAME_BYTES: Final = 1 << 30  # far above any batch, low enough that a wrong size does not ask for all memory
MAX_FRAMES: Final = 1024  # frames of one message; ours have four at most
MAX_COMMAND_BYTES: Final = 4096  # READY, PING and ERROR have a few dozen
BUFFER_BYTES: Final = 64 << 10
DIRECT_BYTES: Final = 4096  # a longer frame that has not come whole is received into its own memory

MORE: Final = 1
LONG: Final = 2
COMMAND: Final = 4

GREETING_BYTES: Final = 64
_SIGNATURE_BYTES: Final = 10
_MECHANISM: Final = b"NULL".ljust(20, b"\0")
GREETING: Final = b"\xff" + bytes(8) + b"\x7f" + bytes((3, 0)) + _MECHANISM + bytes(32)

_LONG_PREFIX: Final = struct.Struct(">BQ")
_SHORT_LAST: Final = tuple(bytes((0, size)) for size in range(256))
_SHORT_MORE: Final = tuple(bytes((MORE, size)) for size in range(256))


class ZmtpError(Exception):
    """The peer's bytes are not ZMTP 3 with the NULL mechanism, or break a limit; the connection is of no more use."""


# -- what is sent ------------------------------------------------------------------------------------------------


def encode_command(name: bytes, data: bytes) -> bytes:
    """Return one command frame."""
    body = bytes((len(name),)) + name + data
    if len(body) < 256:
        return bytes((COMMAND, len(body))) + body
    return _LONG_PREFIX.pack(COMMAND | LONG, len(body)) + body


def encode_ready(socket_type: bytes) -> bytes:
    """Return the READY command of a socket of this type, without an identity."""
    properties = ((b"Socket-Type", socket_type), (b"Identity", b""))
    data = b"".join(bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value for name, value in properties)
    return encode_command(b"READY", data)


HELLO: Final = GREETING + encode_ready(b"DEALER")  # all that a DEALER says before its first message


def encode_message(frames: Sequence[Any]) -> tuple[list[Any], int]:
    """Return the buffers that make up one message, the frames as they are, and their length together in bytes."""
    parts: list[Any] = []
    total = size = 0
    for frame in frames:
        size = len(frame) if type(frame) is bytes else memoryview(frame).nbytes
        prefix = _SHORT_MORE[size] if size < 256 else _LONG_PREFIX.pack(MORE | LONG, size)
        parts.append(prefix)
        parts.append(frame)
        total += len(prefix) + size
    parts[-2] = _SHORT_LAST[size] if size < 256 else _LONG_PREFIX.pack(LONG, size)
    return parts, total


# -- what is received --------------------------------------------------------------------------------------------


class MessageReader:
    """Turns bytes, however they are cut, into messages.

    The owner receives into ``space()`` and tells ``add`` how many bytes came; then it calls ``greet`` until that is
    True, and from then on ``take`` until that returns None. Both raise ``ZmtpError``, after which nothing may be asked
    of the reader any more. A frame of a message is writable memory of its own that may be kept.

    Attributes
    ----------
    filled : int
        Bytes from where ``take`` would go on; 0 = there is nothing to take before the next ``add``.
    missing : int
        How many bytes of a long frame are still to come; ``space()`` is just that large then. 0 = not known.
    replies : list of bytes
        Frames to send at once: an answer to each PING. The owner empties it.
    """

    def __init__(self) -> None:
        self.filled = 0
        self.missing = 0
        self.replies: list[bytes] = []
        self._is_greeted = False
        self._is_ready = False
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0  # what is taken already; `filled` counts from the buffer's beginning
        self._frames: list[Frame] = []  # of the message that is coming
        self._long: memoryview = self._view[:0]  # the long frame that is coming, if `missing`
        self._long_is_last = False
        self._is_whole = False  # a long frame has ended the message

    def space(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        if self.missing:
            return self._long[-self.missing :]
        if not self.filled:
            return self._view
        if self._start:  # at most a frame of DIRECT_BYTES that has not come whole
            rest = self._buffer[self._start : self.filled]
            self._start, self.filled = 0, len(rest)
            self._view[: self.filled] = rest
        return self._view[self.filled :]

    def add(self, count: int) -> None:
        """Note that ``count`` bytes were put into ``space()``."""
        if not self.missing:
            self.filled += count
            return
        self.missing -= count
        if not self.missing:
            self._frames.append(self._long)
            self._long = self._view[:0]
            self._is_whole = self._long_is_last

    def take(self) -> list[Frame] | None:
        """Return the next whole message, or None if more bytes are needed."""
        frames = self._frames
        if self._is_whole:
            self._is_whole = False
            self._frames = []
            return frames
        buffer, start, filled = self._buffer, self._start, self.filled
        while filled - start > 1:
            flags = buffer[start]
            if flags & LONG:
                body = start + 9
                if body > filled:
                    break
                size = int.from_bytes(buffer[start + 1 : body], "big")
            else:
                body = start + 2
                size = buffer[start + 1]
            stop = body + size
            if flags > MORE | LONG:
                self._check_command(flags, size)
                if stop > filled:
                    break
                self._on_command(*_parse_command(buffer[body:stop]))
                start = stop
                continue
            if stop > filled:
                if size > DIRECT_BYTES:
                    self._begin_long(flags, size, body)
                    return None
                break
            frames.append(buffer[body:stop])
            start = stop
            if not flags & MORE:
                self._frames = []
                self._move_on(start)
                return frames
            if len(frames) >= MAX_FRAMES:
                raise ZmtpError(f"a message of more than {MAX_FRAMES} frames")
        self._move_on(start)
        return None

    def _move_on(self, start: int) -> None:
        if start == self.filled:
            self._start = self.filled = 0
        else:
            self._start = start

    def _begin_long(self, flags: int, size: int, body: int) -> None:
        """Give a frame that is longer than what has come its own memory, and put there what has come."""
        if size > MAX_FRAME_BYTES:
            raise ZmtpError(f"a frame of {size} bytes, at most {MAX_FRAME_BYTES}")
        came = self.filled - body
        self._long = np.empty(size, np.uint8).data  # not zeroed, unlike a bytearray
        self._long[:came] = self._view[body : self.filled]
        self._long_is_last = not flags & MORE
        self._start = self.filled = 0
        self.missing = size - came
        if not self._long_is_last and len(self._frames) + 1 >= MAX_FRAMES:
            raise ZmtpError(f"a message of more than {MAX_FRAMES} frames")

    # -- greeting and commands -----------------------------------------------------------------------------------

    def greet(self) -> bool:
        """Say whether the peer's greeting and READY have come, so that messages may be sent."""
        if not self._is_greeted:
            if self.filled < GREETING_BYTES:
                _check_greeting(bytes(self._view[: self.filled]))
                return False
            _check_greeting(bytes(self._view[:GREETING_BYTES]))
            self._is_greeted = True
            self._move_on(GREETING_BYTES)
        start = self._start
        while not self._is_ready and self.filled - start > 1:
            flags = self._buffer[start]
            body = start + (9 if flags & LONG else 2)
            if body > self.filled:
                break
            size = int.from_bytes(self._view[start + 1 : body], "big")
            self._check_command(flags, size)
            if body + size > self.filled:
                break
            self._on_command(*_parse_command(self._buffer[body : body + size]))
            start = body + size
        self._move_on(start)
        return self._is_ready

    def _check_command(self, flags: int, size: int) -> None:
        if flags & ~LONG != COMMAND:
            raise ZmtpError(f"flags {flags:#04x}, expected {'a frame' if self._is_ready else 'the READY command'}")
        if size > MAX_COMMAND_BYTES:
            raise ZmtpError(f"a command of {size} bytes, at most {MAX_COMMAND_BYTES}")
        if self._frames:
            raise ZmtpError("a command between the frames of a message")

    def _on_command(self, name: bytes, data: bytes) -> None:
        if self._is_ready:
            if name == b"PING":
                self.replies.append(encode_command(b"PONG", data[2:]))  # after its time to live: the context
        elif name == b"READY":
            _check_peer_type(data)
            self._is_ready = True
        elif name == b"ERROR":
            reason = data[1:].decode("ascii", "replace") or "no reason given"
            raise ZmtpError(f"the peer refused the connection: {reason}")
        else:
            raise ZmtpError(f"the command {name!r}, expected READY")


def _check_greeting(came: bytes) -> None:
    """Check as much of a greeting as has come: a peer that speaks something else may never send all of it."""
    if came[:1] not in (b"", b"\xff") or came[9:10] not in (b"", b"\x7f"):
        raise ZmtpError(f"the peer does not speak ZMTP: its first bytes are {came[:_SIGNATURE_BYTES]!r}")
    if len(came) > _SIGNATURE_BYTES and came[_SIGNATURE_BYTES] < 3:
        raise ZmtpError(f"the peer speaks ZMTP {came[_SIGNATURE_BYTES]}, expected 3")
    mechanism = came[12:32]
    if len(mechanism) == len(_MECHANISM) and mechanism != _MECHANISM:
        name = mechanism.rstrip(b"\0").decode("ascii", "replace")
        raise ZmtpError(f"the peer's security mechanism is {name!r}, expected 'NULL'")


def _parse_command(body: bytearray) -> tuple[bytes, bytes]:
    """Split a command into its name and its data."""
    name_end = 1 + body[0] if body else 0
    if name_end < 2 or len(body) < name_end:
        raise ZmtpError("a command without a name")
    return bytes(body[1:name_end]), bytes(body[name_end:])


def _check_peer_type(data: bytes) -> None:
    """Read the properties of READY: what we can talk to is a ROUTER."""
    rest = data
    socket_type = b""
    while rest:
        name_end = 1 + rest[0]
        value_at = name_end + 4
        value_end = value_at + int.from_bytes(rest[name_end:value_at], "big")
        if len(rest) < value_at or len(rest) < value_end:
            raise ZmtpError("a READY command whose properties are cut short")
        if rest[1:name_end].lower() == b"socket-type":
            socket_type = rest[value_at:value_end]
        rest = rest[value_end:]
    if socket_type != b"ROUTER":
        raise ZmtpError(f"the peer's socket type is {socket_type.decode('ascii', 'replace')!r}, expected 'ROUTER'")
