"""The HTTP server over real sockets: clients that are slow, rude, gone or too many."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import struct
import time

import pytest

from clipper._core.route_table import Route, RouteTable
from tests.support.http_mocks import defer
from tests.support.http_responses import get, parse_responses, post, post_chunked
from tests.support.http_server_thread import SOCKET_TIMEOUT_S, read_all, read_responses_bytes, serving

STALLED_CLIENTS = 500


def test_standard_client_is_served_with_keep_alive() -> None:
    with serving() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SOCKET_TIMEOUT_S)
        for _ in range(3):
            connection.request("POST", "/app/predict", body=b"abc")
            response = connection.getresponse()
            assert (response.status, b'"bytes": 3' in response.read()) == (200, True)
            connection.request("POST", "/app/predict", body=iter([b"ab", b"cd"]), encode_chunked=True)
            assert b'"bytes": 4' in connection.getresponse().read()
            connection.request("HEAD", "/metrics")
            assert connection.getresponse().read() == b""
        connection.close()
        assert server.call(lambda: server.server.connections_total) == 1


def test_deferred_answers_over_a_socket_leave_in_request_order() -> None:
    with serving(defer) as server, server.connect() as client:
        client.sendall(post() * 20)
        server.wait_until(lambda: len(server.handler.waiting) == 20)
        order = list(range(20))
        random.Random(1).shuffle(order)
        for ticket in order:
            server.answer(ticket, b"%d" % ticket)
        responses = parse_responses(read_responses_bytes(client, 20))
        assert [response.json for response in responses] == list(range(20))


def test_ten_thousand_pipelined_requests_are_all_answered() -> None:
    with serving() as server, server.connect() as client:
        stream = (post(b"x" * 10) + post_chunked(b"abc")) * 5_000
        sent = 0
        received = b""
        client.setblocking(False)
        give_up = time.monotonic() + 3 * SOCKET_TIMEOUT_S
        while received.count(b"HTTP/1.1 200 OK") < 10_000 and time.monotonic() < give_up:
            with contextlib.suppress(BlockingIOError):
                sent += client.send(stream[sent : sent + 100_000])
            try:
                received += client.recv(1_000_000)
            except BlockingIOError:
                time.sleep(0.001)
        assert len(parse_responses(received)) == 10_000


def test_body_over_the_limit_is_413_while_the_client_is_still_sending() -> None:
    with serving(max_body_bytes=1_000) as server, server.connect() as client:
        client.sendall(b"POST /app/predict HTTP/1.1\r\nContent-Length: 50000000\r\n\r\n")
        received = b""
        client.setblocking(False)
        give_up = time.monotonic() + SOCKET_TIMEOUT_S
        while b"\r\n\r\n" not in received and time.monotonic() < give_up:
            with contextlib.suppress(BlockingIOError):
                client.send(b"x" * 65_536)
            try:
                received += client.recv(65_536)
            except BlockingIOError:
                time.sleep(0.001)
        assert parse_responses(received)[0].status == 413
        assert server.call(lambda: server.server.buffered_body_bytes) == 0


def test_content_length_that_promises_too_much_is_408_and_too_little_is_400() -> None:
    with serving(request_timeout_us=200_000) as server:
        promised = parse_responses(server.exchange(b"POST /app/predict HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"))
        assert [response.status for response in promised] == [408]
        short = parse_responses(server.exchange(b"POST /app/predict HTTP/1.1\r\nContent-Length: 1\r\n\r\n{}\r\n\r\n"))
        assert [response.status for response in short] == [200, 400]


def test_header_over_the_limit_is_431_over_a_socket() -> None:
    with serving() as server:
        responses = parse_responses(server.exchange(get(b"/metrics", b"X: " + b"y" * 16_384)))
        assert [response.status for response in responses] == [431]


def test_connections_beyond_the_limit_are_503_and_room_is_made_again() -> None:
    with serving(max_connections=3) as server:
        clients = [server.connect() for _ in range(3)]
        server.wait_until(lambda: server.server.open_connections == 3)
        assert parse_responses(server.exchange(b""))[0].error == "too_many_connections"
        clients.pop().close()
        server.wait_until(lambda: server.server.open_connections == 2)
        assert parse_responses(server.exchange(get(b"/metrics", b"Connection: close")))[0].status == 200
        for client in clients:
            client.close()


def test_idle_connection_is_closed_over_a_socket() -> None:
    with serving(idle_timeout_us=100_000) as server:
        assert server.exchange() == b""
        assert len(parse_responses(server.exchange(post()))) == 1


def test_clients_that_vanish_at_any_point_leave_nothing_behind() -> None:
    request = post(b"x" * 5_000)
    rng = random.Random(2)
    with serving(defer) as server:
        for _ in range(100):
            client = server.connect()
            client.sendall(request[: rng.randrange(len(request) + 1)])
            if rng.random() < 0.5:  # reset instead of FIN
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

        # A client that half-closes behind a whole request may still be waiting: it is owed its answer.
        def answer_all() -> bool:
            for ticket in server.handler.waiting:
                server.handler.respond(ticket, 200, b"{}")
            server.server.flush()
            return server.server.open_connections == 0

        server.wait_until(answer_all)
        assert server.call(lambda: (server.server.open_requests, server.server.buffered_body_bytes)) == (0, 0)


def test_half_closed_client_gets_its_answer_over_a_socket() -> None:
    with serving(defer) as server, server.connect() as client:
        client.sendall(post())
        client.shutdown(socket.SHUT_WR)
        server.wait_until(lambda: server.handler.waiting == [0])
        server.answer(0)
        assert [response.status for response in parse_responses(read_all(client))] == [200]


def test_client_that_vanishes_in_the_middle_of_its_answer_disturbs_nobody() -> None:
    with serving() as server, server.connect() as other:
        for _ in range(20):
            client = server.connect()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(get(b"/large?5000000") * 2)
            assert client.recv(1_000)
            client.close()
        other.sendall(post())
        assert parse_responses(read_responses_bytes(other, 1))[0].status == 200
        server.wait_until(lambda: server.server.open_connections == 1)


@pytest.mark.timeout(60)
def test_client_that_never_reads_is_cut_and_its_memory_is_bounded() -> None:
    with serving(write_timeout_us=300_000) as server, server.connect() as client, server.connect() as other:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.settimeout(1.0)
        request = get(b"/large?100000")
        with pytest.raises((TimeoutError, ConnectionError)):
            client.sendall(request * 1_000_000)
        # Far fewer answers were made than were asked for: reading was paused.
        assert server.call(lambda: server.server.requests_total) < 500
        other.sendall(post())
        assert parse_responses(read_responses_bytes(other, 1))[0].status == 200
        server.wait_until(lambda: server.server.open_connections == 1)
        assert server.call(lambda: server.server.refusals) == {"write_timeout": 1}


@pytest.mark.timeout(60)
def test_five_hundred_stalled_clients_do_not_disturb_the_others() -> None:
    whole = post(b"x" * 200)
    with serving(request_timeout_us=3_000_000) as server:
        stalled = [server.connect() for _ in range(STALLED_CLIENTS)]
        for index, client in enumerate(stalled):
            client.sendall(whole[: index % len(whole)])
        server.wait_until(lambda: server.server.open_connections == STALLED_CLIENTS)
        slowest_s = 0.0
        with server.connect() as lively:
            for _ in range(200):
                started = time.monotonic()
                lively.sendall(whole)
                assert parse_responses(read_responses_bytes(lively, 1))[0].status == 200
                slowest_s = max(slowest_s, time.monotonic() - started)
        assert slowest_s < 2.0  # far below any timeout here, with room for a busy machine
        begun = sum(1 for index in range(STALLED_CLIENTS) if index % len(whole) > len(b"POST /"))
        server.wait_until(lambda: server.server.refusals.get("request_timeout", 0) >= begun)
        for client in stalled:
            client.close()


def test_drain_answers_what_is_in_flight_and_closes_the_rest() -> None:
    with serving(defer) as server, server.connect() as busy, server.connect() as idle:
        busy.sendall(post() * 2)
        server.wait_until(lambda: len(server.handler.waiting) == 2)
        server.wait_until(lambda: server.server.open_connections == 2)
        server.call(server.listener.close)
        server.call(server.server.begin_drain)
        assert read_all(idle) == b""
        assert not server.call(lambda: server.server.idle)
        server.answer(0)
        server.answer(1)
        assert [r.headers.get("connection") for r in parse_responses(read_all(busy))] == [None, "close"]
        assert server.call(lambda: server.server.idle)


def test_routes_swapped_while_serving_take_effect_with_the_next_request() -> None:
    with serving() as server, server.connect() as client:
        client.sendall(post(path=b"/new/predict"))
        assert parse_responses(read_responses_bytes(client, 1))[0].status == 404
        table = RouteTable([(b"/new/predict", Route("predict", None, is_predict=True))])
        server.call(lambda: setattr(server.server, "routes", table))
        client.sendall(post(path=b"/new/predict"))
        assert parse_responses(read_responses_bytes(client, 1))[0].status == 200
