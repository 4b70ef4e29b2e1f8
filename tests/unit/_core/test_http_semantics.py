"""Methods, paths, versions, expectations, upgrades: what each request is answered with."""

from __future__ import annotations

import email.utils

import pytest

from tests.support.http_mocks import MockServer, defer
from tests.support.http_responses import Response, get, parse_responses, post, post_chunked


def ask(request: bytes, *, head_only: bool = False) -> Response:
    client = MockServer().connect()
    client.send(request)
    (response,) = parse_responses(client.transport.written, head_only=head_only)
    return response


@pytest.mark.parametrize(
    "path",
    [
        b"/app/predict",
        b"/app/predict/",
        b"/app/predict?x=1",
        b"/app/predict/?x=/",
        b"/%61pp/predict",
        b"http://host:1337/app/predict",
        b"HTTPS://host/app/predict?x",
    ],
)
def test_path_in_each_of_its_spellings_finds_its_route(path: bytes) -> None:
    assert ask(post(path=path)).status == 200


@pytest.mark.parametrize(
    "path",
    [b"/", b"/app", b"/app/predict//", b"//app/predict", b"/app%2fpredict/x", b"/App/predict", b"*", b"/%zz", b"/%ff"],
)
def test_unknown_path_is_404_and_the_connection_goes_on(path: bytes) -> None:
    client = MockServer().connect()
    client.send(post(b"abc", path=path) + post())
    assert client.statuses == [404, 200]
    assert client.responses[0].error == "not_found"


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"PATCH", b"TRACE"])
def test_wrong_method_on_predict_is_405_with_allow(method: bytes) -> None:
    response = ask(get(b"/app/predict", method=method), head_only=method == b"HEAD")
    assert response.status == 405
    assert response.headers["allow"] == "POST, OPTIONS"


def test_post_on_an_operation_is_405_with_allow() -> None:
    response = ask(post(path=b"/metrics"))
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_head_is_answered_as_get_without_the_body() -> None:
    response = ask(get(b"/metrics?abc", method=b"HEAD"), head_only=True)
    assert (response.status, response.headers["content-length"], response.body) == (200, "11", b"")


def test_get_on_an_operation_calls_it_with_the_query() -> None:
    response = ask(get(b"/metrics?a=b&c"))
    assert (response.status, response.headers["content-type"], response.body) == (200, "text/plain", b"metrics a=b&c")


@pytest.mark.parametrize(
    ("path", "allow"),
    [(b"/app/predict", "POST, OPTIONS"), (b"/metrics", "GET, HEAD, OPTIONS"), (b"*", "GET, HEAD, POST, OPTIONS")],
)
def test_options_is_204_with_allow(path: bytes, allow: str) -> None:
    response = ask(get(path, method=b"OPTIONS"))
    assert (response.status, response.headers["allow"]) == (204, allow)
    assert "content-length" not in response.headers


def test_connect_is_refused_and_the_connection_ends() -> None:
    client = MockServer().connect()
    client.send(get(b"host:1337", method=b"CONNECT") + post())
    assert client.statuses == [404]
    assert client.is_cut


def test_post_to_predict_without_any_length_is_411_and_the_connection_ends() -> None:
    client = MockServer().connect()
    client.send(get(b"/app/predict", method=b"POST"))
    assert client.responses[0].error == "length_required"
    assert client.statuses == [411]
    assert client.is_cut


def test_empty_body_reaches_the_handler() -> None:
    assert ask(post(b"")).json["bytes"] == 0
    assert ask(post_chunked()).json["bytes"] == 0


@pytest.mark.parametrize(
    ("content_type", "is_binary"),
    [
        (b"application/octet-stream", 1),
        (b"Application/Octet-Stream; x=y", 1),
        (b"application/octet-streams", 0),
        (b"application/json", 0),
        (b"", 0),
    ],
)
def test_content_type_decides_whether_the_body_is_binary(content_type: bytes, is_binary: int) -> None:
    assert ask(post(b"{}", b"Content-Type: " + content_type)).json["binary"] == is_binary


def test_clipper_batch_is_passed_on() -> None:
    assert ask(post(b"{}", b"clipper-BATCH:  12 ")).json["batch"] == 12
    assert ask(post(b"{}")).json["batch"] == 0


@pytest.mark.parametrize("value", [b"0", b"-1", b"+1", b"1.0", b"", b"x", b"1 2", b"99999999999999999999999"])
def test_clipper_batch_that_is_no_positive_number_is_400(value: bytes) -> None:
    assert ask(post(b"{}", b"Clipper-Batch: " + value)).error == "invalid_header"


@pytest.mark.parametrize(
    "field",
    [b"Clipper-Batch: 1", b"Content-Type: a/b", b"Host: b", b"Expect: 100-continue", b"Content-Encoding: identity"],
)
def test_header_of_which_one_can_be_meant_given_twice_is_400(field: bytes) -> None:
    assert ask(post(b"{}", field, field)).error == "duplicate_header"


def test_compressed_body_is_415() -> None:
    response = ask(post(b"{}", b"Content-Encoding: gzip"))
    assert (response.status, response.error) == (415, "unsupported_encoding")


def test_expect_continue_is_told_to_go_on_before_the_body() -> None:
    client = MockServer().connect()
    head, separator, body = post(b"abc", b"Expect: 100-Continue").partition(b"\r\n\r\n")
    client.send(head + separator)
    assert client.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(body)
    assert client.statuses == [100, 200]


def test_expect_continue_behind_a_slow_request_waits_its_turn() -> None:
    bench = MockServer(defer)
    client = bench.connect()
    head, separator, body = post(b"abc", b"Expect: 100-continue").partition(b"\r\n\r\n")
    client.send(post(), head + separator)
    assert client.transport.writes == []
    bench.answer(0)
    assert client.statuses == [200, 100]
    client.send(body)
    bench.answer(1)
    assert client.statuses == [200, 100, 200]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (post(b"abc", b"Expect: 100-continue", path=b"/nothing"), 404),
        (post(b"abc", b"Expect: 100-continue", path=b"/metrics"), 405),
        (post(b"abc", b"Expect: something-else"), 417),
        (b"POST /app/predict HTTP/1.1\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n", 413),
    ],
)
def test_expectation_that_cannot_be_met_is_refused_before_the_body(request_bytes: bytes, status: int) -> None:
    client = MockServer().connect()
    client.send(request_bytes.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert client.statuses == [status]
    assert client.is_cut


def test_expect_from_http10_is_ignored() -> None:
    assert ask(post(b"{}", b"Expect: 100-continue", version=b"HTTP/1.0")).status == 200


def test_http10_closes_unless_keep_alive_is_asked_for() -> None:
    client = MockServer().connect()
    client.send(post(b"{}", b"Connection: keep-alive", version=b"HTTP/1.0"))
    assert client.responses[0].headers["connection"] == "keep-alive"
    assert not client.is_cut
    client.send(post(version=b"HTTP/1.0"))
    assert [r.headers["connection"] for r in client.responses] == ["keep-alive", "close"]
    assert client.transport.closed


def test_http11_keeps_alive_without_saying_so() -> None:
    client = MockServer().connect()
    client.send(post(), post(b"{}", b"Connection: keep-alive"))
    assert ["connection" in r.headers for r in client.responses] == [False, False]
    assert not client.is_cut


@pytest.mark.parametrize("request_line", [b"GET /metrics HTTP/2.0", b"GET /metrics HTTP/0.9", b"GET /metrics"])
def test_other_versions_are_505(request_line: bytes) -> None:
    assert ask(request_line + b"\r\n\r\n").error == "version_not_supported"


def test_http2_preface_is_refused_and_the_connection_ends() -> None:
    client = MockServer().connect()
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert client.statuses == [400]
    assert client.is_cut


UPGRADE = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")


def test_upgrade_is_ignored_and_what_follows_is_read_as_http() -> None:
    client = MockServer().connect()
    client.send(get(b"/metrics", *UPGRADE) + post())
    assert client.statuses == [200, 200]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_upgrade_with_a_body_is_ignored_and_the_body_is_read(step: int) -> None:
    client = MockServer().connect()
    stream = post(b"abc", *UPGRADE) + post(b"defg")
    client.send(*[stream[i : i + step] for i in range(0, len(stream), step)])
    assert [r.json["bytes"] for r in client.responses] == [3, 4]


def test_upgrade_with_a_chunked_body_is_ignored_and_the_body_is_read() -> None:
    client = MockServer().connect()
    request = post_chunked(b"abc", b"de").replace(b"Host: test", b"\r\n".join((b"Host: test", *UPGRADE)))
    client.send(request + request + get(b"/metrics"))
    assert client.statuses == [200, 200, 200]
    assert client.responses[1].json["bytes"] == 5


def test_trailers_are_ignored() -> None:
    client = MockServer().connect()
    client.send(post_chunked(b"abc")[:-2] + b"Clipper-Batch: 7\r\nX: y\r\n\r\n" + post())
    assert [r.json["batch"] for r in client.responses] == [0, 0]


def test_response_carries_a_valid_date_and_json_type() -> None:
    response = ask(post())
    assert email.utils.parsedate_to_datetime(response.headers["date"]).tzinfo is not None
    assert response.headers["content-type"] == "application/json"


def test_parser_reason_in_an_error_is_valid_json() -> None:
    assert ask(b'\xff"\\\x00\r\n\r\n').error == "malformed_request"
