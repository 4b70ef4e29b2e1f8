"""Order and coalescing of answers, flow control, and what happens when a client goes away."""

from __future__ import annotations

import gc
import itertools
import weakref

import pytest

from tests.support.http_mocks import START_US, MockServer, defer, fail
from tests.support.http_responses import get, post, post_chunked


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_answers_in_any_order_leave_in_request_order(order: tuple[int, ...]) -> None:
    bench = MockServer(defer)
    client = bench.connect()
    client.send(post() * 4)
    for ticket in order:
        bench.answer(ticket, b"%d" % ticket)
    assert [response.json for response in client.responses] == [0, 1, 2, 3]
    assert bench.server.open_requests == 0


def test_answers_of_one_turn_to_one_connection_leave_in_one_write() -> None:
    bench = MockServer()
    client, other = bench.connect(), bench.connect()
    client.protocol.data_received(post() * 10)
    client.protocol.data_received(get(b"/metrics") * 5)
    other.protocol.data_received(post())
    assert client.transport.writes == []
    bench.loop.run_turn()
    assert len(client.transport.writes) == 1
    assert len(other.transport.writes) == 1
    assert client.statuses == [200] * 15


def test_answers_completed_together_leave_in_one_write() -> None:
    bench = MockServer(defer)
    client = bench.connect()
    client.send(post() * 3)
    for ticket in (2, 0, 1):
        bench.handler.respond(ticket, 200, b"{}")
    bench.server.flush()
    assert len(client.transport.writes) == 1
    assert client.statuses == [200] * 3


def test_turn_with_many_reads_ends_once_and_reads_the_clock_once() -> None:
    bench = MockServer(defer)
    clients = [bench.connect() for _ in range(5)]
    turns = bench.handler.turns
    for client in clients:
        client.protocol.data_received(post())
    bench.loop.run_turn()
    assert bench.handler.turns == turns + 1


def test_second_answer_to_one_request_does_nothing() -> None:
    bench = MockServer(lambda name, body, is_binary, batch: (200, b"1"))
    client = bench.connect()
    client.send(post())
    assert bench.handler.waiting == []
    with pytest.raises(KeyError):
        bench.handler.respond(0, 200, b"2")
    assert client.statuses == [200]


def test_whole_response_bytes_are_sent_as_they_are() -> None:
    bench = MockServer(defer)
    client = bench.connect()
    client.send(post())
    assert bench.handler.keeps_alive(0)
    bench.handler.respond_raw(0, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    bench.server.flush()
    assert client.transport.written == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_handler_that_raises_is_500_and_the_connection_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    client = MockServer(fail).connect()
    client.send(post() + get(b"/metrics"))
    assert client.statuses == [500, 200]
    assert client.responses[0].error == "internal_error"
    assert "on purpose" in caplog.text


def test_route_that_raises_is_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    client = MockServer().connect()
    client.send(get(b"/broken") + get(b"/metrics"))
    assert client.statuses == [500, 200]
    assert "on purpose" in caplog.text


def test_client_gone_before_its_answer_disturbs_nobody() -> None:
    bench = MockServer(defer)
    gone, stays = bench.connect(), bench.connect()
    gone.send(post() * 2)
    stays.send(post())
    assert bench.server.open_requests == 3
    gone.lose()
    assert bench.server.open_requests == 1
    assert bench.server.open_connections == 1
    assert not bench.handler.is_client_there(0)
    for ticket in range(3):
        bench.answer(ticket)
    assert gone.transport.writes == []
    assert stays.statuses == [200]
    assert bench.server.idle


def test_client_gone_in_the_middle_of_a_body_leaves_nothing_behind() -> None:
    bench = MockServer()
    client = bench.connect()
    client.send(post(b"x" * 1000)[:-500])
    assert bench.server.buffered_body_bytes == 500
    client.lose()
    assert bench.server.buffered_body_bytes == 0
    assert bench.server.open_requests == 0
    assert bench.server.idle


def test_slow_reader_stops_reading_until_it_has_taken_its_answers() -> None:
    bench = MockServer()
    client = bench.connect()
    client.protocol.pause_writing()
    assert not client.transport.reading
    client.protocol.resume_writing()
    assert client.transport.reading
    client.send(post())
    assert client.statuses == [200]


def test_rest_of_a_read_waits_while_writing_is_paused() -> None:
    bench = MockServer(defer)
    client = bench.connect()
    client.send(post())
    client.protocol.pause_writing()
    client.send(post() * 3)  # in hand before the pause took effect
    assert bench.server.open_requests == 1
    client.protocol.resume_writing()
    bench.loop.run_turn()
    assert bench.server.open_requests == 4


def test_drain_closes_idle_connections_and_answers_open_requests_first() -> None:
    bench = MockServer(defer)
    idle, busy, reading = bench.connect(), bench.connect(), bench.connect()
    busy.send(post() * 2)
    reading.send(post(b"abc")[:-1])
    told: list[int] = []
    bench.server.begin_drain(lambda: told.append(bench.server.open_requests))
    assert idle.is_cut and not busy.is_cut and not reading.is_cut
    assert not bench.server.idle
    busy.send(post())  # too late
    reading.send(b"c")
    bench.answer(1)
    bench.answer(0)
    assert told == []
    bench.answer(2)
    assert told == [0]
    assert busy.statuses == [200, 200]
    assert busy.responses[-1].headers["connection"] == "close" or busy.is_cut
    assert busy.is_cut
    assert [response.headers.get("connection") for response in reading.responses] == ["close"]
    assert reading.is_cut
    assert bench.server.idle


def test_drain_of_an_idle_server_says_so_at_once_and_once() -> None:
    bench = MockServer(defer)
    bench.connect()
    told: list[int] = []
    bench.server.begin_drain(lambda: told.append(1))
    bench.server.flush()
    assert told == [1]


def test_drain_says_connection_close_to_the_request_in_flight() -> None:
    bench = MockServer(defer)
    client = bench.connect()
    client.send(post())
    bench.server.begin_drain()
    assert not bench.handler.keeps_alive(0)
    bench.answer(0)
    assert client.responses[0].headers["connection"] == "close"


def test_half_closed_client_gets_its_answers_and_then_the_end() -> None:
    bench = MockServer(defer)
    client = bench.connect()
    client.send(post() * 2)
    assert client.protocol.eof_received() is True
    bench.answer(0)
    assert not client.transport.closed
    bench.answer(1)
    assert client.statuses == [200, 200]
    assert client.transport.closed


def test_client_that_ends_in_the_middle_of_a_request_is_told_so() -> None:
    bench = MockServer()
    client = bench.connect()
    client.send(post(b"abc")[:-1])
    assert client.protocol.eof_received() is True
    bench.loop.run_turn()
    assert client.responses[0].error == "truncated_request"
    assert client.transport.closed


def test_end_of_an_idle_connection_closes_it() -> None:
    client = MockServer().connect()
    assert not client.protocol.eof_received()


def test_error_waits_for_the_answers_before_it_and_then_the_connection_ends() -> None:
    bench = MockServer(defer)
    client = bench.connect()
    client.send(post(), b"garbage\r\n\r\n", post())
    assert client.transport.writes == []
    bench.answer(0)
    assert client.statuses == [200, 400]
    assert client.transport.eof_written


def test_nothing_after_connection_close_is_taken_for_a_request() -> None:
    client = MockServer().connect()
    client.send(post(b"{}", b"Connection: close") + post())
    assert client.statuses == [200]
    assert client.responses[0].headers["connection"] == "close"
    assert client.transport.closed


def test_body_in_one_read_and_body_in_pieces_arrive_alike() -> None:
    client = MockServer().connect()
    body = bytes(range(256)) * 100
    client.send(post(body), *[post(body)[i : i + 999] for i in range(0, len(post(body)), 999)])
    client.send(post_chunked(body[:1], body[1:5000], body[5000:]))
    assert [r.json["sum"] for r in client.responses] == [sum(body)] * 3


def test_counters_tell_what_happened() -> None:
    bench = MockServer()
    client = bench.connect()
    client.send(post(), get(b"/nothing"))
    assert bench.server.requests_total == 2
    assert bench.server.connections_total == 1
    assert bench.server.received_bytes_total == len(post() + get(b"/nothing"))
    assert bench.server.sent_bytes_total == len(client.transport.written)
    assert bench.server.refusals == {"not_found": 1}
    assert bench.clock.now_us == START_US


def test_connection_that_is_gone_is_freed_without_the_collector() -> None:
    bench = MockServer()
    client = bench.connect()
    client.send(post(), post(b"abc")[:-1])
    client.lose()
    reference = weakref.ref(client.protocol)
    gc.disable()
    try:
        del client
        assert reference() is None
    finally:
        gc.enable()


def test_refusal_made_by_a_sweep_lingers_from_the_sweep_on() -> None:
    bench = MockServer(request_timeout_us=1_000, linger_timeout_us=500)
    client = bench.connect()
    client.send(post()[:-1])
    bench.sweep_after(10_000)
    assert client.transport.eof_written
    bench.sweep_after(499)
    assert not client.transport.aborted
    bench.sweep_after(1)
    assert client.transport.aborted
