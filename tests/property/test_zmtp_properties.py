"""The incremental ZMTP reader against one that sees all bytes at once, cut anywhere and fed garbage."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from model_containers import zmtp
from model_containers.zmtp import COMMAND, LONG, MORE, MessageReader, ZmtpError

HELLO = zmtp.GREETING + zmtp.encode_ready(b"ROUTER")

frames = st.binary(max_size=300) | st.builds(
    lambda size, seed: bytes([seed]) * size,
    st.sampled_from([255, 256, zmtp.DIRECT_BYTES, zmtp.DIRECT_BYTES + 1, 65_000, 65_536, 70_000]),
    st.integers(0, 255),
)
messages = st.lists(frames, min_size=1, max_size=5)
commands = st.builds(zmtp.encode_command, st.sampled_from([b"PING", b"PONG", b"NEWS"]), st.binary(max_size=300))
streams = st.lists(messages | commands, max_size=6)
cuts = st.lists(st.integers(1, 80_000) | st.integers(1, 12), max_size=40)


def bytes_of(message: Sequence[bytes]) -> bytes:
    return b"".join(zmtp.encode_message(message)[0])


def read_all(stream: bytes) -> tuple[list[list[bytes]], list[bytes], bool]:
    """Return the messages, the answers to PINGs and whether the stream is broken: the twin."""
    found: list[list[bytes]] = []
    replies: list[bytes] = []
    message: list[bytes] = []
    at = 0
    while at + 2 <= len(stream):
        flags = stream[at]
        body = at + (9 if flags & LONG else 2)
        if body > len(stream):
            break
        size = int.from_bytes(stream[at + 1 : body], "big")
        is_command = flags in (COMMAND, COMMAND | LONG)
        if flags > 3 and (not is_command or size > zmtp.MAX_COMMAND_BYTES or message):
            return found, replies, True
        if size > zmtp.MAX_FRAME_BYTES:
            return found, replies, True
        if body + size > len(stream):
            break
        content = stream[body : body + size]
        at = body + size
        if is_command:
            if not content or not content[0] or len(content) <= content[0]:
                return found, replies, True
            if content[1:].startswith(b"PING") and content[0] == 4:
                replies.append(zmtp.encode_command(b"PONG", content[7:]))
            continue
        message.append(content)
        if not flags & MORE:
            found.append(message)
            message = []
    return found, replies, False


def read_in_pieces(stream: bytes, sizes: list[int]) -> tuple[list[list[bytes]], list[bytes], bool]:
    """Do the same with a MessageReader that gets at most so many bytes at a time, in turn; 64 KiB after that."""
    reader = MessageReader()
    found: list[list[bytes]] = []
    sizes = list(sizes)
    rest = memoryview(HELLO + stream)
    greeted = False
    try:
        while rest:
            space = reader.space()
            count = min(len(space), len(rest), sizes.pop(0) if sizes else 65_536)
            space[:count] = rest[:count]
            rest = rest[count:]
            reader.add(count)
            greeted = greeted or reader.greet()
            while greeted and (message := reader.take()) is not None:
                found.append([bytes(frame) for frame in message])
    except ZmtpError:
        return found, reader.replies, True
    assert greeted
    return found, reader.replies, False


@given(streams, cuts)
@example([[b"a" * 70_000, b""]], [1] * 200)
@example([[b"a" * 70_000]], [64 + 41 + 9])
def test_zmtp_any_messages_cut_anywhere_arrive_as_they_are(stream: list[list[bytes] | bytes], sizes: list[int]) -> None:
    sent = b"".join(part if isinstance(part, bytes) else bytes_of(part) for part in stream)
    found, replies, broken = read_in_pieces(sent, sizes)
    assert found == [part for part in stream if not isinstance(part, bytes)]
    assert (found, replies, broken) == read_all(sent)


@given(st.lists(st.tuples(st.integers(0, 7), st.booleans(), st.binary(max_size=20)), max_size=8), cuts)
def test_zmtp_any_flags_are_read_as_by_the_twin(parts: list[tuple[int, bool, bytes]], sizes: list[int]) -> None:
    stream = b""
    for flags, cut_short, content in parts:
        stream += (
            struct.pack(">BQ" if flags & LONG else ">BB", flags, len(content)) + content[: -1 if cut_short else None]
        )
    assert read_in_pieces(stream, sizes) == read_all(stream)


@given(st.binary(max_size=400), cuts)
@example(b"\x02" + b"\xff" * 8, [])
@example(b"\x02" + (1 << 30).to_bytes(8, "big") + b"x", [])
def test_zmtp_garbage_is_a_typed_error_or_read_as_by_the_twin(stream: bytes, sizes: list[int]) -> None:
    assert read_in_pieces(stream, sizes) == read_all(stream)


@given(
    st.binary(max_size=200) | st.builds(lambda cut, rest: HELLO[:cut] + rest, st.integers(0, 105), st.binary()), cuts
)
def test_zmtp_garbage_greeting_is_a_typed_error_or_waits_for_more(stream: bytes, sizes: list[int]) -> None:
    reader = MessageReader()
    rest, sizes = memoryview(stream), list(sizes)
    try:
        while rest and not reader.greet():
            space = reader.space()
            count = min(len(space), len(rest), sizes.pop(0) if sizes else 65_536)
            space[:count] = rest[:count]
            rest = rest[count:]
            reader.add(count)
    except ZmtpError:
        assert stream[: len(HELLO)] != HELLO
