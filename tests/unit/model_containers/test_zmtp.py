"""ZMTP to the byte: what RFC 23 writes, and every limit at its edge."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from model_containers import zmtp
from model_containers.codec import Frame
from model_containers.zmtp import MessageReader, ZmtpError

ROUTER_HELLO = zmtp.GREETING + zmtp.encode_ready(b"ROUTER")


def put(reader: MessageReader, data: bytes) -> None:
    """Hand over what fits into the reader at once."""
    reader.space()[: len(data)] = data
    reader.add(len(data))


def read(reader: MessageReader, data: bytes) -> list[list[Frame]]:
    """Hand over any number of bytes; return the messages."""
    messages = []
    while data:
        count = min(len(reader.space()), len(data))
        put(reader, data[:count])
        data = data[count:]
        while (message := reader.take()) is not None:
            messages.append(message)
    return messages


def greeted() -> MessageReader:
    reader = MessageReader()
    put(reader, ROUTER_HELLO)
    assert reader.greet()
    return reader


def test_greeting_is_that_of_the_rfc() -> None:
    signature = bytes.fromhex("ff00000000000000007f")
    assert signature + b"\x03\x00" + b"NULL" + bytes(16) + b"\x00" + bytes(31) == zmtp.GREETING
    assert len(zmtp.GREETING) == zmtp.GREETING_BYTES


def test_ready_is_that_of_the_rfc() -> None:
    ready = b"\x05READY" + b"\x0bSocket-Type\x00\x00\x00\x06DEALER" + b"\x08Identity\x00\x00\x00\x00"
    assert zmtp.GREETING + bytes((4, len(ready))) + ready == zmtp.HELLO


def test_message_short_and_long_frames_are_those_of_the_rfc() -> None:
    array = np.zeros((16, 2))
    parts, total = zmtp.encode_message([b"a", b"b" * 255, array, b""])
    long_prefix = b"\x03" + (256).to_bytes(8, "big")
    assert b"".join(parts) == b"\x01\x01a" + b"\x01\xff" + b"b" * 255 + long_prefix + bytes(256) + b"\x00\x00"
    assert total == len(b"".join(parts))
    assert parts[5] is array, "the payload is not copied"


def test_message_of_one_long_frame_ends_with_it() -> None:
    parts, total = zmtp.encode_message([bytes(256)])
    assert (parts[0], total) == (b"\x02" + (256).to_bytes(8, "big"), 265)


@pytest.mark.parametrize("size", [8, 200, 5_000, 200_000])
def test_reader_frames_are_writable_aligned_and_outlive_it(size: int) -> None:
    reader = greeted()
    (message,) = read(reader, b"".join(zmtp.encode_message([b"head", b"\x01" * size])[0]))
    elements = np.frombuffer(message[1], np.float64)
    assert elements.flags.writeable
    assert elements.flags.aligned
    read(reader, b"".join(zmtp.encode_message([b"\x02" * 60_000])[0]))
    assert bytes(message[1]) == b"\x01" * size


def test_reader_ping_is_answered_with_its_context() -> None:
    reader = greeted()
    put(reader, zmtp.encode_command(b"PING", b"\x00\x0acontext"))
    assert reader.take() is None
    assert reader.replies == [zmtp.encode_command(b"PONG", b"context")]


@pytest.mark.parametrize(
    ("greeting", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "does not speak ZMTP: its first bytes are b'HTTP/1.1 4'"),
        (b"\xff" + bytes(9), "does not speak ZMTP"),
        (b"\xff" + bytes(8) + b"\x7f\x01", "speaks ZMTP 1, expected 3"),
        (zmtp.GREETING.replace(b"NULL", b"PLAIN")[:64], "mechanism is 'PLAIN', expected 'NULL'"),
        (zmtp.GREETING + b"\x00\x02hi", "flags 0x00, expected the READY command"),
        (zmtp.GREETING + zmtp.encode_command(b"HELLO", b""), "the command b'HELLO', expected READY"),
        (zmtp.GREETING + zmtp.encode_command(b"ERROR", b"\x07too bad"), "the peer refused the connection: too bad"),
        (zmtp.GREETING + zmtp.encode_ready(b"PUB"), "the peer's socket type is 'PUB', expected 'ROUTER'"),
        (zmtp.GREETING + zmtp.encode_command(b"READY", b"\x0bSocket-Type\x00\x00"), "properties are cut short"),
        (zmtp.GREETING + zmtp.encode_command(b"READY", b""), "socket type is ''"),
    ],
)
def test_greeting_that_is_not_ours_is_refused_with_its_cause(greeting: bytes, cause: str) -> None:
    reader = MessageReader()
    put(reader, greeting)
    with pytest.raises(ZmtpError) as raised:
        reader.greet()
    assert cause in str(raised.value)


def test_greeting_later_minor_version_is_taken() -> None:
    reader = MessageReader()
    put(reader, ROUTER_HELLO[:11] + b"\x01" + ROUTER_HELLO[12:])
    assert reader.greet()


@pytest.mark.parametrize(
    ("stream", "cause"),
    [
        (b"\x08\x00", "flags 0x08, expected a frame"),
        (b"\x05\x06\x04PINGx", "flags 0x05"),
        (b"\x01\x01a" + zmtp.encode_command(b"PING", b"\0\0"), "a command between the frames of a message"),
        (b"\x04\x00", "a command without a name"),
        (b"\x04\x02\x05P", "a command without a name"),
    ],
)
def test_frame_that_is_not_zmtp_is_refused_with_its_cause(stream: bytes, cause: str) -> None:
    reader = greeted()
    put(reader, stream)
    with pytest.raises(ZmtpError) as raised:
        reader.take()
    assert cause in str(raised.value)


def test_limit_frame_bytes_at_its_edge() -> None:
    reader = greeted()
    put(reader, struct.pack(">BQ", zmtp.LONG, zmtp.MAX_FRAME_BYTES))
    assert reader.take() is None
    assert reader.missing == zmtp.MAX_FRAME_BYTES
    reader = greeted()
    put(reader, struct.pack(">BQ", zmtp.LONG, zmtp.MAX_FRAME_BYTES + 1))
    with pytest.raises(ZmtpError, match="at most"):
        reader.take()


@pytest.mark.parametrize("size", [1, 5_000])
def test_limit_frames_at_its_edge(size: int) -> None:
    def message(count: int) -> bytes:
        return b"".join(zmtp.encode_message([b"x"] * (count - 2) + [bytes(size), b"x"])[0])

    (taken,) = read(greeted(), message(zmtp.MAX_FRAMES))
    assert len(taken) == zmtp.MAX_FRAMES
    with pytest.raises(ZmtpError, match=f"more than {zmtp.MAX_FRAMES} frames"):
        read(greeted(), message(zmtp.MAX_FRAMES + 1))


def test_limit_command_bytes_at_its_edge() -> None:
    reader = greeted()
    put(reader, zmtp.encode_command(b"NEWS", bytes(zmtp.MAX_COMMAND_BYTES - 5)))
    assert reader.take() is None
    put(reader, zmtp.encode_command(b"NEWS", bytes(zmtp.MAX_COMMAND_BYTES - 4)))
    with pytest.raises(ZmtpError, match="a command of 4097 bytes"):
        reader.take()
