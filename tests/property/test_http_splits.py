"""However a stream of requests is cut into reads, the answers are the same; and no bytes at all break the server."""

from __future__ import annotations

import itertools
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.http_mocks import MockServer, defer, echo, plain_routes
from tests.support.http_responses import get, parse_responses, post, post_chunked

UPGRADE = (b"Connection: Upgrade", b"Upgrade: h2c")

bodies = st.one_of(st.binary(max_size=40), st.integers(4_000, 9_000).map(lambda n: b"y" * n))
requests = st.one_of(
    st.builds(post, bodies),
    st.builds(lambda body: post(body, b"Content-Type: application/octet-stream", b"Clipper-Batch: 3"), bodies),
    st.builds(lambda body: post(body, *UPGRADE), bodies),
    st.builds(lambda body: post(body, path=b"/nothing"), bodies),
    st.builds(lambda chunks: post_chunked(*chunks), st.lists(bodies, max_size=4)),
    st.builds(lambda empty: b"\r\n" * empty + get(b"/metrics?q"), st.integers(0, 2)),
    st.just(get(b"/metrics", *UPGRADE)),
    st.just(get(b"/app/predict")),
    st.just(get(b"*", method=b"OPTIONS")),
    st.just(post(b"abc", b"Expect: 100-continue")),
)
endings = st.sampled_from(
    [b"", post(b"{}", b"Connection: close"), post(version=b"HTTP/1.0"), b"garbage\r\n\r\n", b"POST /app"]
)
streams = st.builds(lambda parts, end: b"".join(parts) + end, st.lists(requests, min_size=1, max_size=8), endings)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges) if a != b]


def written(stream: list[bytes], *, one_turn: bool = False, **limits: int) -> bytes:
    bench = MockServer(echo, plain_routes, **limits)
    client = bench.connect()
    if one_turn:
        client.send_in_one_turn(*stream)
    else:
        client.send(*stream)
    return re.sub(rb"Date: [^\r]*", b"Date: x", client.transport.written)


@given(streams, st.lists(st.integers(0, 100_000), max_size=12), st.booleans())
@settings(max_examples=150, deadline=None)
def test_stream_cut_anywhere_gets_the_answers_of_the_whole(stream: bytes, places: list[int], one_turn: bool) -> None:
    whole = written([stream])
    parse_responses(whole)
    assert written(cut(stream, places), one_turn=one_turn) == whole


@given(streams)
@settings(max_examples=30, deadline=None)
def test_stream_byte_by_byte_gets_the_answers_of_the_whole(stream: bytes) -> None:
    stream = stream[:3_000]
    assert written([bytes([byte]) for byte in stream]) == written([stream])


@given(streams, st.lists(st.integers(0, 100_000), max_size=6), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_tight_pipeline_limits_change_no_answer(stream: bytes, places: list[int], max_requests: int) -> None:
    tight = written(cut(stream, places), max_pipelined_requests=max_requests, max_pipelined_bytes=300)
    assert tight == written([stream])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=10), st.data())
@settings(max_examples=60, deadline=None)
def test_deferred_answers_in_any_order_leave_in_request_order(sizes: list[int], data: st.DataObject) -> None:
    bench = MockServer(defer)
    client = bench.connect()
    client.send(b"".join(post(b"x" * size) for size in sizes))
    for ticket in data.draw(st.permutations(range(len(sizes)))):
        bench.answer(ticket, b"%d" % ticket)
    assert [response.json for response in client.responses] == list(range(len(sizes)))


DIRECT_BYTES = 65_536  # of a body still to come, from which on the parser is passed by
PATTERN = bytes(i * 7 % 251 for i in range(300_000))
large_sizes = st.one_of(
    st.sampled_from([DIRECT_BYTES - 1, DIRECT_BYTES, DIRECT_BYTES + 1]), st.integers(DIRECT_BYTES, len(PATTERN))
)
large_bodies = large_sizes.map(lambda n: PATTERN[:n])
large_requests = st.one_of(
    st.builds(post, large_bodies),
    st.builds(lambda body: post(body, b"Content-Type: application/octet-stream", b"Clipper-Batch: 3"), large_bodies),
    st.builds(lambda body: post(body, *UPGRADE), large_bodies),
    st.builds(lambda body: post(body, path=b"/nothing"), large_bodies),
    st.builds(lambda body: post_chunked(body[:70_000], body[70_000:]), large_bodies),
    requests,
)
large_streams = st.builds(lambda parts, end: b"".join(parts) + end, st.lists(large_requests, min_size=1, max_size=4),
                          endings)  # fmt: skip


@given(large_streams, st.lists(st.integers(0, 2_000_000), max_size=12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_stream_of_large_bodies_cut_anywhere_gets_the_answers_of_the_whole(
    stream: bytes, places: list[int], one_turn: bool
) -> None:
    whole = written([stream])
    parse_responses(whole)
    assert written(cut(stream, places), one_turn=one_turn) == whole


@given(large_sizes, st.integers(200, 100_000))
@settings(max_examples=40, deadline=None)
def test_large_body_arrives_whole_whatever_the_reads(size: int, read_bytes: int) -> None:
    body = PATTERN[:size]
    arrived: list[bytes] = []

    def keep(name: str, body: bytes, is_binary: bool, clipper_batch: int) -> tuple[int, bytes]:
        arrived.append(body)
        return 200, b"{}"

    bench = MockServer(keep)
    stream = post(body) + post(b"next")
    bench.connect().send(*(stream[at : at + read_bytes] for at in range(0, len(stream), read_bytes)))
    assert arrived == [body, b"next"]
    assert bench.server.buffered_body_bytes == 0


@given(large_sizes, st.integers(1, 300_000))
@settings(max_examples=20, deadline=None)
def test_large_body_that_is_cut_off_is_refused_and_forgotten(size: int, missing: int) -> None:
    bench = MockServer(echo, plain_routes)
    client = bench.connect()
    client.send(post(PATTERN[:size])[: -(1 + missing % size)])
    client.protocol.eof_received()
    bench.loop.run_turn()
    assert client.statuses == [400]
    assert bench.server.buffered_body_bytes == 0


pieces = st.sampled_from(
    [b"POST ", b"/app/predict", b" HTTP/1.1", b"\r\n", b"\r\n\r\n", b"Content-Length: 3", b"Transfer-Encoding: chunked",
     b"Connection: ", b"Upgrade", b"close", b"Expect: 100-continue", b"0", b"3", b"abc", b"\n", b"\x00", b":", b";",
     b"CONNECT "]
)  # fmt: skip


@given(st.lists(st.one_of(pieces, st.binary(max_size=5)), max_size=30), st.lists(st.integers(0, 1_000), max_size=4))
@settings(max_examples=300, deadline=None)
@example([b"\r\n", b"\x00"], [])
def test_any_bytes_get_well_formed_answers_or_none(parts: list[bytes], places: list[int]) -> None:
    bench = MockServer()
    client, other = bench.connect(), bench.connect()
    client.send(*cut(b"".join(parts), places))
    assert 500 not in client.statuses
    assert client.statuses.count(400) <= 1
    other.send(post())
    assert other.statuses == [200]
    client.lose()
    assert bench.server.open_requests == 0
