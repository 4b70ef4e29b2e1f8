"""Generated and mutated messages for the frontend's RPC socket, and a peer that sends them."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from model_containers import codec, results, zmtp
from model_containers.codec import WireError
from model_containers.wire import HEADER_BYTES, DType, ErrorCode, Flag, MessageType

Frames = list[bytes]
WAIT_S: Final = 10.0
MAX_FRAMES: Final = 7  # of a message; what has more is garbage
_PREDICT: Final = b"CLPR\x01\x00" + bytes([MessageType.PREDICT])
_NUMBERS: Final = itertools.count(1)


class Verdict(Enum):
    """What became of a message."""

    TAKEN = "taken"  # the connection serves on
    ENDED = "ended"  # the frontend has ended it


@dataclass(frozen=True)
class Message:
    """One message to be sent.

    Parameters
    ----------
    frames : list of bytes
    answers : bool
        The first frame is a header whose batch id is to be that of the batch in hand.
    """

    frames: tuple[bytes, ...]
    answers: bool = False

    @property
    def is_garbage(self) -> bool:
        """Whether nobody could read it, in any state of the session, by the oracle in `model_containers`."""
        if not 0 < len(self.frames) <= MAX_FRAMES:
            return True
        try:
            header = codec.decode_header(self.frames[0])
        except WireError:
            return True
        return header.type in (MessageType.PREDICT, MessageType.ASSIGN)


def valid_messages() -> list[Message]:
    """Return messages as containers send them, REGISTER apart."""
    numbers = np.array([1.5], np.float64)
    texts = results.encode_texts(DType.JSON, [b'{"a": [1, null]}'], [False])
    failed = results.encode_texts(DType.STRING, [b"no"], [True])
    rows = results.encode_array(np.array([[1, 2]], np.int32), DType.INT32)
    return [
        Message((codec.encode_header(MessageType.HEARTBEAT),)),
        Message((codec.encode_header(MessageType.READY),)),
        Message((codec.encode_header(MessageType.DRAIN),)),
        Message((codec.encode_header(MessageType.DRAIN, flags=Flag.FINAL),)),
        Message(_bytes_of(codec.encode_error(ErrorCode.MODEL_ERROR, "it raised", batch_id=1)), answers=True),
        Message(_bytes_of(codec.encode_error(ErrorCode.REFUSED, "it gave up"))),
        Message(_bytes_of(codec.encode_register({"model": "m", "version": "1", "replica_id": "r", "nonce": "n"}))),
        *(
            Message(_bytes_of(results.encode_result(outputs, 1, 1, 100)), answers=True)
            for outputs in (results.encode_array(numbers, DType.FLOAT64), texts, failed, rows)
        ),
    ]


def _bytes_of(frames: Sequence[Any]) -> tuple[bytes, ...]:
    return tuple(bytes(frame) for frame in frames)


# -- strategies --------------------------------------------------------------------------------------------------------

_edges = st.sampled_from([0, 1, 2, 3, 0x7F, 0xFF, 1 << 16, (1 << 20) + 1, (1 << 31) - 1, (1 << 32) - 1])
_small = st.integers(0, 16)
_headers = st.builds(
    lambda kind, dtype, flags, code, count, batch, elements: struct.pack(
        "<4sHBBHHIQQQQ", b"CLPR", 1, kind, dtype, flags, code, count, batch, elements, 0, 0
    ),
    st.integers(0, 9),
    _small,
    st.integers(0, 32),
    st.integers(0, 8),
    _edges | _small,
    _edges | _small,
    _edges | _small,
)
_generated = st.builds(
    lambda header, rest, answers: Message((header, *rest), answers),
    _headers,
    st.lists(st.binary(max_size=40), max_size=4),
    st.booleans(),
)
_noise = st.builds(lambda frames: Message(tuple(frames)), st.lists(st.binary(max_size=60), min_size=1, max_size=10))
_mutated = st.builds(
    lambda message, seed: Message(_mutate(message.frames, random.Random(seed)), message.answers),
    st.sampled_from(valid_messages()),
    st.integers(0, 1 << 32),
)
messages = st.one_of(_mutated, _mutated, _generated, st.sampled_from(valid_messages()), _noise)


def _mutate(frames: tuple[bytes, ...], chance: random.Random) -> tuple[bytes, ...]:
    """Change a message in one to four places."""
    changed = [bytearray(frame) for frame in frames]
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        frame = changed[at]
        choice = chance.randrange(8)
        if choice < 3 and frame:
            frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
        elif choice == 3 and frame:
            frame[chance.randrange(len(frame))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif choice == 4:
            del frame[chance.randrange(len(frame) + 1) :]
        elif choice == 5:
            frame += chance.randbytes(chance.randint(1, 16))
        elif choice == 6:
            changed.insert(at, bytearray(frame))
        elif len(changed) > 1:
            del changed[at]
    return tuple(bytes(frame) for frame in changed)


# -- the peer ----------------------------------------------------------------------------------------------------------


class Peer:
    """One connection, registered as a ready container or a stranger.

    Parameters
    ----------
    address : str
        Of the frontend, ``ipc://``.
    model : str
        Which model it claims to serve; "" = it never registers.
    """

    def __init__(self, address: str, model: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(WAIT_S)
        self._socket.connect(address.removeprefix("ipc://"))
        self._received = b""
        self._batch_id = 1
        self._socket.sendall(zmtp.HELLO)
        if model:
            number = next(_NUMBERS)
            who: dict[str, str | int] = {
                "model": model, "version": "1", "replica_id": f"{model}:1:fuzz{number}", "nonce": str(number),
                "input_type": "doubles", "sdk": "frames", "pid": 1,
            }  # fmt: skip
            self._write(codec.encode_register(who))
            self._write([codec.encode_header(MessageType.READY)])

    def send(self, message: Message) -> Verdict:
        """Send it, and look whether the connection is still served, by a PING behind it."""
        frames = list(message.frames)
        if message.answers and len(frames[0]) == HEADER_BYTES:
            frames[0] = frames[0][:16] + struct.pack("<Q", self._batch_id) + frames[0][24:]
        token = b"%016d" % next(_NUMBERS)
        try:
            self._write(frames)
            self._socket.sendall(zmtp.encode_command(b"PING", b"\0\0" + token))
            while token not in self._received:
                self._take(self._socket.recv(1 << 16))
        except (ConnectionError, EOFError):
            return Verdict.ENDED
        self._received = self._received[-64:]
        return Verdict.TAKEN

    def send_torn(self, message: Message, chance: random.Random) -> None:
        """Send bytes that may end in the middle of a frame, and then the end; wait until the frontend has seen it."""
        stream = bytearray(b"".join(bytes(part) for part in zmtp.encode_message(message.frames)[0]))
        for _ in range(chance.randint(1, 3)):
            stream[chance.randrange(len(stream))] ^= 1 << chance.randrange(8)
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(stream[: chance.randint(1, len(stream))])
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(1 << 16):
                pass

    def close(self) -> None:
        """Vanish."""
        self._socket.close()

    def _write(self, frames: Sequence[Any]) -> None:
        self._socket.sendall(b"".join(bytes(part) for part in zmtp.encode_message(frames)[0]))

    def _take(self, data: bytes) -> None:
        if not data:
            raise EOFError
        self._received += data
        at = self._received.rfind(_PREDICT)
        if at >= 0 and len(self._received) >= at + HEADER_BYTES:
            self._batch_id = codec.decode_header(self._received[at : at + HEADER_BYTES]).batch_id
