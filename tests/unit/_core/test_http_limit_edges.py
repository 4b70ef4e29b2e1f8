"""Each limit of HttpLimits at its edge: the last value that passes, the first that does not."""

from __future__ import annotations

import dataclasses

import pytest

from clipper._core.http_limits import HttpLimits
from clipper.errors import InvalidArgumentError
from tests.support.http_mocks import MockServer, defer
from tests.support.http_responses import get, post, post_chunked

HEADER_BYTES = 200


def request_with_head_of(head_bytes: int) -> bytes:
    bare = get(b"/metrics", b"X-Fill: ")
    return get(b"/metrics", b"X-Fill: " + b"x" * (head_bytes - len(bare)))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(HttpLimits)])
@pytest.mark.parametrize("value", [0, -1, True, 1.5, 2**62 + 1, None])
def test_limits_with_a_value_that_is_no_positive_integer_are_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=field):
        HttpLimits(**{field: value})  # type: ignore[arg-type]


def test_limits_with_a_header_limit_too_small_for_any_request_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="max_header_bytes"):
        HttpLimits(max_header_bytes=63)


def test_head_of_exactly_the_limit_is_served() -> None:
    client = MockServer(max_header_bytes=HEADER_BYTES).connect()
    client.send(request_with_head_of(HEADER_BYTES))
    assert client.statuses == [200]
    assert not client.is_cut


def test_head_one_byte_over_the_limit_is_431_and_closed() -> None:
    client = MockServer(max_header_bytes=HEADER_BYTES).connect()
    client.send(request_with_head_of(HEADER_BYTES + 1))
    assert client.statuses == [431]
    assert client.responses[0].error == "header_too_large"
    assert client.is_cut


def test_head_of_exactly_the_limit_byte_by_byte_is_served() -> None:
    client = MockServer(max_header_bytes=HEADER_BYTES).connect()
    client.send(*[bytes([byte]) for byte in request_with_head_of(HEADER_BYTES)])
    assert client.statuses == [200]


def test_head_that_never_ends_is_431_one_byte_past_the_limit() -> None:
    client = MockServer(max_header_bytes=HEADER_BYTES).connect()
    endless = request_with_head_of(HEADER_BYTES + 100)[:HEADER_BYTES]
    client.send(*[bytes([byte]) for byte in endless])
    assert client.statuses == []
    client.send(b"x")
    assert client.statuses == [431]
    assert client.is_cut


def test_url_that_never_ends_is_431() -> None:
    client = MockServer(max_header_bytes=HEADER_BYTES).connect()
    client.send(b"GET /" + b"a" * 100, b"a" * 200)
    assert client.statuses == [431]


def test_body_of_exactly_the_limit_is_served() -> None:
    client = MockServer(max_body_bytes=100).connect()
    client.send(post(b"x" * 100), post_chunked(b"x" * 60, b"x" * 40))
    assert client.statuses == [200, 200]


def test_content_length_one_over_the_limit_is_413_before_the_body_comes() -> None:
    client = MockServer(max_body_bytes=100).connect()
    head, _, body = post(b"x" * 101).partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    assert client.statuses == [413]
    assert client.responses[0].error == "body_too_large"
    assert client.is_cut
    client.send(body)  # what still comes is dropped
    assert client.statuses == [413]


def test_chunked_body_is_413_with_the_chunk_that_passes_the_limit() -> None:
    client = MockServer(max_body_bytes=100).connect()
    client.send(b"POST /app/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + b"x" * 100 + b"\r\n")
    assert client.statuses == []
    client.send(b"1\r\nx")
    assert client.statuses == [413]
    assert client.is_cut


def test_chunk_that_claims_sixteen_exabytes_is_413_when_its_bytes_pass_the_limit() -> None:
    client = MockServer(max_body_bytes=100).connect()
    client.send(b"POST /app/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", b"x" * 100)
    assert client.statuses == []
    client.send(b"x")
    assert client.statuses == [413]


def test_chunk_extensions_that_outweigh_the_body_are_refused() -> None:
    client = MockServer(max_header_bytes=HEADER_BYTES).connect()
    client.send(b"POST /app/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;")
    client.send(*[b"a" * 50] * 20)
    assert client.statuses == [400]
    assert client.is_cut


def test_body_of_one_byte_chunks_is_served() -> None:
    client = MockServer(max_header_bytes=HEADER_BYTES).connect()
    for byte in range(0, len(request := post_chunked(*[b"x"] * 500)), 10):
        client.send(request[byte : byte + 10])
    assert client.statuses == [200]
    assert client.responses[0].json["bytes"] == 500


def test_bodies_in_progress_beyond_the_limit_of_all_connections_are_503() -> None:
    bench = MockServer(max_buffered_body_bytes=100)
    first, second = bench.connect(), bench.connect()
    half = post(b"x" * 80)[:-20]  # 60 of 80 bytes
    first.send(half)
    assert bench.server.buffered_body_bytes == 60
    second.send(half[:-20])
    assert second.statuses == []
    second.send(b"x")
    assert second.statuses == [503]
    assert second.responses[0].error == "overloaded"
    assert bench.server.buffered_body_bytes == 60
    first.send(b"x" * 20)
    assert first.statuses == [200]
    assert bench.server.buffered_body_bytes == 0


def test_connection_beyond_the_limit_is_503_and_closed() -> None:
    bench = MockServer(max_connections=2)
    first, second, third = (bench.connect() for _ in range(3))
    assert third.statuses == [503]
    assert third.responses[0].error == "too_many_connections"
    assert third.is_cut
    third.lose()
    second.lose()
    fourth = bench.connect()
    for client in (first, fourth):
        client.send(post())
        assert client.statuses == [200]


def test_connections_far_beyond_the_limit_are_dropped_without_a_word() -> None:
    bench = MockServer(max_connections=8)
    clients = [bench.connect() for _ in range(8 + 17 + 1)]
    assert clients[-2].statuses == [503]
    assert clients[-1].transport.aborted


def test_pipeline_at_its_count_pauses_reading_and_below_half_reads_on() -> None:
    bench = MockServer(defer, max_pipelined_requests=4)
    client = bench.connect()
    client.send(post() * 3)
    assert client.transport.reading
    client.send(post())
    assert not client.transport.reading
    bench.answer(0)
    assert not client.transport.reading
    bench.answer(1)
    assert client.transport.reading


def test_requests_of_one_read_beyond_the_pipelines_count_wait_unparsed() -> None:
    bench = MockServer(defer, max_pipelined_requests=4)
    client = bench.connect()
    client.send(post(), post() * 20)
    assert bench.server.open_requests == 4
    for ticket in range(21):
        bench.answer(ticket)
        assert bench.server.open_requests <= 4
    assert client.statuses == [200] * 21
    assert client.transport.reading


def test_answers_held_behind_a_slow_head_at_the_byte_limit_pause_reading() -> None:
    bench = MockServer(defer, max_pipelined_bytes=10_000)
    client = bench.connect()
    client.send(post(), get(b"/large?5000"))
    assert client.transport.reading
    client.send(get(b"/large?5000"))
    assert not client.transport.reading
    bench.answer(0)
    assert client.transport.reading
    assert client.statuses == [200] * 3


def test_request_whose_body_is_awaited_does_not_pause_itself() -> None:
    client = MockServer(max_pipelined_requests=1).connect()
    request = post(b"x" * 10)
    client.send(request[:-5])
    assert client.transport.reading
    client.send(request[-5:])
    assert client.statuses == [200]


def test_idle_connection_is_closed_at_the_limit_and_not_before() -> None:
    bench = MockServer(idle_timeout_us=1_000)
    client = bench.connect()
    bench.sweep_after(999)
    assert not client.is_cut
    bench.sweep_after(1)
    assert client.transport.closed
    assert client.transport.writes == []


def test_idle_time_counts_from_the_last_answer() -> None:
    bench = MockServer(defer, idle_timeout_us=1_000)
    client = bench.connect()
    client.send(post())
    bench.sweep_after(5_000)  # a request is open: not idle
    bench.loop.run_turn()
    client.send(b"\r\n")  # opens a turn at the present time; an empty line is no request
    bench.answer(0)
    bench.sweep_after(999)
    assert not client.is_cut
    bench.sweep_after(1)
    assert client.transport.closed


def test_empty_lines_do_not_keep_an_idle_connection() -> None:
    bench = MockServer(idle_timeout_us=1_000)
    client = bench.connect()
    for _ in range(10):
        bench.clock.now_us += 100
        client.send(b"\r\n")
    bench.sweep_after(0)
    assert client.transport.closed


def test_request_not_whole_in_time_is_408_at_the_limit_and_not_before() -> None:
    bench = MockServer(request_timeout_us=1_000)
    client = bench.connect()
    client.send(post()[:30])
    bench.sweep_after(500)
    client.send(post()[30:40])  # trickling in does not help
    bench.sweep_after(499)
    assert client.statuses == []
    bench.sweep_after(1)
    assert client.statuses == [408]
    assert client.responses[0].error == "request_timeout"
    assert client.is_cut


def test_body_not_whole_in_time_is_408() -> None:
    bench = MockServer(request_timeout_us=1_000)
    client = bench.connect()
    client.send(post(b"abc")[:-1])
    bench.sweep_after(1_000)
    assert client.statuses == [408]
    assert bench.server.open_requests == 0


def test_request_that_we_do_not_read_is_not_timed_out() -> None:
    bench = MockServer(defer, request_timeout_us=1_000, max_pipelined_requests=1)
    client = bench.connect()
    client.send(post() + post()[:-1])
    assert not client.transport.reading
    bench.sweep_after(5_000)
    bench.answer(0)
    bench.sweep_after(999)
    assert client.statuses == [200]


def test_client_that_never_reads_is_cut_at_the_limit_and_not_before() -> None:
    bench = MockServer(write_timeout_us=1_000)
    client = bench.connect()
    client.transport.takes_bytes = False
    client.send(get(b"/large?100000"))
    bench.sweep_after(10)  # the first sweep that sees bytes waiting
    bench.sweep_after(999)
    assert not client.transport.aborted
    bench.sweep_after(1)
    assert client.transport.aborted
    assert bench.server.refusals == {"write_timeout": 1}


def test_client_that_reads_slowly_is_kept() -> None:
    bench = MockServer(write_timeout_us=1_000)
    client = bench.connect()
    client.transport.takes_bytes = False
    client.send(get(b"/large?100000"))
    for _ in range(20):
        bench.sweep_after(900)
        client.transport.waiting_bytes -= 1
    assert not client.transport.aborted


def test_closing_connection_whose_answer_is_never_read_is_cut() -> None:
    bench = MockServer(write_timeout_us=1_000)
    client = bench.connect()
    client.transport.takes_bytes = False
    client.send(get(b"/large?100000", b"Connection: close"))
    assert client.transport.closed and not client.transport.aborted
    bench.sweep_after(0)
    bench.sweep_after(1_000)
    assert client.transport.aborted


def test_lingering_connection_is_cut_at_the_limit_and_not_before() -> None:
    bench = MockServer(linger_timeout_us=1_000)
    client = bench.connect()
    client.send(b"garbage\r\n")
    assert client.transport.eof_written and not client.transport.closed
    bench.sweep_after(999)
    assert not client.transport.closed
    bench.sweep_after(1)
    assert client.transport.aborted
