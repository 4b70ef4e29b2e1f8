"""Routes that are answered in Python by a request: at once, later, once, in the order of the requests."""

from __future__ import annotations

import pytest

from clipper._core.route_request import RouteRequest
from clipper._core.route_table import Route, RouteTable
from tests.support.http_mocks import START_US, MockServer
from tests.support.http_responses import get, post, post_chunked


class Taker:
    """A server with one route that takes a body; the requests wait until they are answered."""

    def __init__(self) -> None:
        self.requests: list[RouteRequest] = []
        self.server = MockServer(routes=self.routes)
        self.client = self.server.connect()

    def routes(self) -> RouteTable:
        def broken(request: RouteRequest) -> None:
            raise RuntimeError("on purpose")

        return RouteTable(
            [
                (b"/take", Route("take", self.requests.append, takes_body=True)),
                (b"/broken", Route("broken", broken, takes_body=True)),
            ]
        )

    def finish_turn(self) -> None:
        self.server.server.flush()
        self.server.loop.run_turn()


def test_body_is_handed_over_whole_however_it_comes() -> None:
    taker = Taker()
    taker.client.send(post(b'{"a":1}', path=b"/take"))
    taker.client.send(post_chunked(b'{"a"', b":2}", path=b"/take"))
    taker.client.send(post(b"", path=b"/take/?x=1"))
    assert [request.body for request in taker.requests] == [b'{"a":1}', b'{"a":2}', b""]
    assert taker.requests[0].now_us == START_US


def test_answers_leave_in_the_order_of_the_requests_whenever_they_are_given() -> None:
    taker = Taker()
    taker.client.send(post(b"1", path=b"/take") + post(b"2", path=b"/take"))
    first, second = taker.requests
    second.respond(404, b'"second"')
    taker.finish_turn()
    assert taker.client.responses == []
    first.respond(503, b'"first"', retry_after=True)
    taker.finish_turn()
    one, two = taker.client.responses
    assert (one.status, one.json, one.headers["retry-after"]) == (503, "first", "1")
    assert (two.status, two.json, "retry-after" in two.headers) == (404, "second", False)


def test_second_answer_and_one_to_a_client_that_is_gone_do_nothing() -> None:
    taker = Taker()
    taker.client.send(post(b"1", path=b"/take") + post(b"2", path=b"/take"))
    first, second = taker.requests
    first.respond(200, b"1")
    first.respond(200, b"2")
    taker.finish_turn()
    assert [response.json for response in taker.client.responses] == [1]
    taker.client.lose()
    second.respond(200, b"3")


def test_route_that_raises_is_answered_with_500() -> None:
    taker = Taker()
    taker.client.send(post(b"1", path=b"/broken"))
    assert [response.error for response in taker.client.responses] == ["internal_error"]


@pytest.mark.parametrize(("method", "status"), [(b"GET", 405), (b"HEAD", 405), (b"OPTIONS", 204), (b"PUT", 405)])
def test_route_that_takes_a_body_takes_post_alone(method: bytes, status: int) -> None:
    taker = Taker()
    taker.client.send(get(b"/take", method=method))
    assert taker.client.transport.written.startswith(b"HTTP/1.1 %d " % status)
    assert b"Allow: POST, OPTIONS\r\n" in taker.client.transport.written
    assert taker.requests == []


def test_post_without_any_length_is_411() -> None:
    taker = Taker()
    taker.client.send(get(b"/take", method=b"POST"))
    assert taker.client.responses[0].error == "length_required"


def test_route_takes_its_body_in_one_way_alone() -> None:
    assert Route("a", print, takes_body=True).allow == b"POST, OPTIONS"
    with pytest.raises(ValueError, match="POST alone"):
        Route("a", print, takes_body=True, methods=[b"GET"])
    with pytest.raises(ValueError, match="not to both"):
        Route("a", print, takes_body=True, is_predict=True)
    with pytest.raises(TypeError, match="callable"):
        Route("a", None, takes_body=True)


def test_route_without_a_body_may_answer_later_with_any_type() -> None:
    requests: list[RouteRequest] = []
    routes = RouteTable([(b"/page", Route("page", requests.append, answers_later=True))])
    server = MockServer(routes=lambda: routes)
    client = server.connect()
    client.send(get(b"/page?x=1") + get(b"/page", method=b"HEAD"))
    assert [(request.body, request.now_us) for request in requests] == [(b"", START_US)] * 2
    assert client.responses == []
    for request in requests:
        request.respond(200, b"hello", content_type=b"text/plain")
    server.server.flush()
    server.loop.run_turn()
    written = client.transport.written
    assert written.count(b"Content-Type: text/plain\r\n") == written.count(b"Content-Length: 5\r\n") == 2
    assert written.count(b"hello") == 1


def test_route_that_reads_a_body_is_not_told_twice_that_it_may_answer_later() -> None:
    assert Route("a", print, answers_later=True).allow == b"GET, HEAD, OPTIONS"
    with pytest.raises(ValueError, match="anyway"):
        Route("a", print, takes_body=True, answers_later=True)
    with pytest.raises(TypeError, match="callable"):
        Route("a", None, answers_later=True)
