"""Bodies and routes that are wrong: a status, a stable code, a cause, and nobody else disturbed. Real sockets.

What is wrong with the framing of HTTP is in test_http_protocol.py and test_http_smuggling.py.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest

from tests.support.data_path import DataPath, application, data_path, model
from tests.support.http_responses import get, parse_responses, post, post_chunked
from tests.support.http_server_thread import read_responses_bytes

BINARY = b"Content-Type: application/octet-stream"
STALLED_CLIENTS = 500


@pytest.fixture(scope="module")
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        names = ("doubles", "integers", "floats", "strings", "bytes")
        serving.apply(
            [
                *(application(name, (name,), input_type=name) for name in names),
                application("shaped", ("doubles",), shape=[3]),
                application("tensor", ("tensor",), input_type="tensor", dtype="float32", shape=[2, 2]),
            ],
            [model(name, input_type=name) for name in (*names, "tensor")],
        )
        for name in (*names, "tensor"):
            serving.serving(lambda inputs: [1] * len(inputs), name=name, input_type=name)
        yield serving


@pytest.fixture(autouse=True)
def everybody_else_is_served(path: DataPath) -> Iterator[None]:
    """Hold a connection open over the test: it is served before and after, and so is a fresh one; nothing is left."""
    good = post(b'{"input": [1.5]}', path=b"/doubles/predict")
    with path.connect() as neighbour:
        neighbour.sendall(good)
        read_responses_bytes(neighbour, 1)
        yield
        neighbour.sendall(good)
        (answer,) = parse_responses(read_responses_bytes(neighbour, 1))
        assert answer.json["output"] == 1
    assert path.ask({"input": [1.5]}, "doubles").json["output"] == 1
    assert path.call(lambda: (path.core.processor.live_queries, path.core.slots.in_use)) == (0, 0)


DEEP = b"[" * 10_000_000
BAD_BODIES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("doubles", b"", "json_error"),
    "blank": ("doubles", b" \n", "json_error"),
    "malformed": ("doubles", b'{"input": [1,]}', "json_error"),
    "truncated in an array": ("doubles", b'{"input": [1, 2', "json_error"),
    "truncated in a number": ("doubles", b'{"input": [1.', "json_error"),
    "truncated in a string": ("strings", b'{"input": "abc', "json_error"),
    "two values": ("doubles", b'{"input": [1]} {}', "json_error"),
    "a comment": ("doubles", b'{"input": [1]} // one', "json_error"),
    "single quotes": ("doubles", b"{'input': [1]}", "json_error"),
    "an array": ("doubles", b"[1, 2]", "wrong_type"),
    "a number": ("doubles", b"1", "wrong_type"),
    "null": ("doubles", b"null", "wrong_type"),
    "no input": ("doubles", b"{}", "missing_input"),
    "both inputs": ("doubles", b'{"input": [1], "input_batch": [[1]]}', "ambiguous_input"),
    "input twice": ("doubles", b'{"input": [1], "input": [2]}', "duplicate_key"),
    "a string for a vector": ("doubles", b'{"input": "1"}', "wrong_type"),
    "a number for a vector": ("doubles", b'{"input": 1}', "wrong_type"),
    "null for a vector": ("doubles", b'{"input": null}', "wrong_type"),
    "a string in a vector": ("doubles", b'{"input": [1, "2"]}', "wrong_type"),
    "null in a vector": ("doubles", b'{"input": [null]}', "wrong_type"),
    "true in a vector": ("doubles", b'{"input": [true]}', "wrong_type"),
    "a vector for a batch": ("doubles", b'{"input_batch": [1, 2]}', "wrong_type"),
    "a vector for a string": ("strings", b'{"input": [1]}', "wrong_type"),
    "a float for an integer": ("integers", b'{"input": [1.0]}', "wrong_type"),
    "an exponent for an integer": ("integers", b'{"input": [1e3]}', "wrong_type"),
    "a list as version": ("doubles", b'{"input": [1], "version": ["1"]}', "wrong_type"),
    "too short a vector": ("shaped", b'{"input": [1, 2]}', "wrong_length"),
    "too long a vector": ("shaped", b'{"input": [1, 2, 3, 4]}', "wrong_length"),
    "too short an item": ("shaped", b'{"input_batch": [[1, 2, 3], [1, 2]]}', "wrong_length"),
    "too small a tensor": ("tensor", b'{"input": [[1, 2], [3]]}', "wrong_length"),
    "NaN": ("doubles", b'{"input": [NaN]}', "json_error"),
    "Infinity": ("doubles", b'{"input": [Infinity]}', "json_error"),
    "minus Infinity": ("doubles", b'{"input": [-Infinity]}', "json_error"),
    "a leading plus": ("doubles", b'{"input": [+1]}', "json_error"),
    "a leading zero": ("doubles", b'{"input": [01]}', "json_error"),
    "a bare point": ("doubles", b'{"input": [.5]}', "json_error"),
    "hexadecimal": ("integers", b'{"input": [0x10]}', "json_error"),
    "beyond a double": ("doubles", b'{"input": [1e400]}', "out_of_range"),
    "beyond a float": ("floats", b'{"input": [1e39]}', "out_of_range"),
    "beyond an integer": ("integers", b'{"input": [2147483648]}', "out_of_range"),
    "beyond any integer": ("integers", b'{"input": [-99999999999999999999999]}', "out_of_range"),
    "no time at all": ("doubles", b'{"input": [1], "slo_us": 0}', "out_of_range"),
    "negative time": ("doubles", b'{"input": [1], "slo_us": -5}', "out_of_range"),
    "10 MB of nesting in an unknown key": ("doubles", b'{"x": ' + DEEP, "too_deep"),
    "10 MB of nesting in the input": ("doubles", b'{"input": ' + DEEP, "too_deep"),
    "10 MB of nesting in a tensor": ("tensor", b'{"input": ' + DEEP, "too_deep"),
    "10 MB of nested objects": ("doubles", b'{"a":' * 2_000_000, "too_deep"),
    "a NUL in a string": ("strings", b'{"input": "a\x00b"}', "json_error"),
    "a NUL between tokens": ("doubles", b'{"input":\x00[1]}', "json_error"),
    "a NUL at the end": ("doubles", b'{"input": [1]}\x00', "json_error"),
    "invalid UTF-8": ("strings", b'{"input": "\xff"}', "bad_encoding"),
    "overlong UTF-8": ("strings", b'{"input": "\xc0\x80"}', "bad_encoding"),
    "a surrogate in UTF-8": ("strings", b'{"input": "\xed\xa0\x80"}', "bad_encoding"),
    "a lone surrogate": ("strings", b'{"input": "\\ud800"}', "bad_encoding"),
    "invalid UTF-8 in an unknown key": ("doubles", b'{"\xff": 1, "input": [1]}', "bad_encoding"),
    "a byte order mark": ("doubles", b'\xef\xbb\xbf{"input": [1]}', "json_error"),
    "UTF-16": ("doubles", '{"input": [1]}'.encode("utf-16"), "bad_encoding"),
    "invalid base64": ("bytes", b'{"input": "a?=="}', "bad_base64"),
    "base64 without its end": ("bytes", b'{"input": "YWI"}', "bad_base64"),
    "too many inputs": ("doubles", b'{"input_batch": [' + b",".join([b"[1]"] * 4097) + b"]}", "too_many_items"),
    "an unknown version": ("doubles", b'{"input": [1], "version": "9"}', "unknown_version"),
    "too generous a deadline": ("doubles", b'{"input": [1], "slo_us": 999999999999}', "slo_too_large"),
}


@pytest.mark.parametrize(("app", "body", "code"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_body_is_refused_with_its_code_and_the_connection_serves_on(
    path: DataPath, app: str, body: bytes, code: str
) -> None:
    with path.connect() as client:
        client.sendall(post(body, path=f"/{app}/predict".encode()))
        (answer,) = parse_responses(read_responses_bytes(client, 1))
        assert (answer.status, answer.error) == (400, code), answer.body
        client.sendall(post(b'{"input": [1.5]}', path=b"/doubles/predict"))
        (answer,) = parse_responses(read_responses_bytes(client, 1))
        assert answer.status == 200


def test_good_body_cut_anywhere_is_refused(path: DataPath) -> None:
    whole = b'{"a": {"b": [1, "x"]}, "input": [-1.5e3, 2], "version": "1", "slo_us": 1000000}'
    with path.connect() as client:
        for length in range(len(whole)):
            client.sendall(post(whole[:length], path=b"/doubles/predict"))
            (answer,) = parse_responses(read_responses_bytes(client, 1))
            assert (answer.status, answer.error) == (400, "json_error"), whole[:length]


BAD_BINARY: dict[str, tuple[bytes, bytes, tuple[bytes, ...], int, str]] = {
    "no shape declared": (b"/doubles/predict", b"\0" * 8, (), 415, "no_binary_form"),
    "strings": (b"/strings/predict", b"abc", (), 415, "no_binary_form"),
    "too few bytes": (b"/shaped/predict", b"\0" * 23, (), 400, "wrong_length"),
    "too many bytes": (b"/shaped/predict", b"\0" * 25, (), 400, "wrong_length"),
    "nothing": (b"/shaped/predict", b"", (), 400, "wrong_length"),
    "fewer inputs than said": (b"/shaped/predict", b"\0" * 24, (b"Clipper-Batch: 2",), 400, "wrong_length"),
    "no inputs": (b"/shaped/predict", b"", (b"Clipper-Batch: 0",), 400, "invalid_header"),
    "no number of inputs": (b"/shaped/predict", b"\0" * 24, (b"Clipper-Batch: two",), 400, "invalid_header"),
    "more inputs than allowed": (b"/shaped/predict", b"\0" * 24, (b"Clipper-Batch: 5000",), 400, "too_many_items"),
    "inputs beyond counting": (b"/shaped/predict", b"", (b"Clipper-Batch: 99999999999999",), 400, "invalid_header"),
}


@pytest.mark.parametrize(("url", "body", "headers", "status", "code"), BAD_BINARY.values(), ids=BAD_BINARY)
def test_bad_binary_body_is_refused(
    path: DataPath, url: bytes, body: bytes, headers: tuple[bytes, ...], status: int, code: str
) -> None:
    answer = path.send(post(body, BINARY, *headers, path=url)).response()
    assert (answer.status, answer.error) == (status, code), answer.body


BAD_REQUESTS: dict[str, tuple[bytes, int, str]] = {
    "unknown application": (post(b'{"input": [1]}', path=b"/nobody/predict"), 404, "not_found"),
    "unknown call": (post(b'{"input": [1]}', path=b"/doubles/guess"), 404, "not_found"),
    "no application": (post(b'{"input": [1]}', path=b"/predict"), 404, "not_found"),
    "a path that climbs": (post(b'{"input": [1]}', path=b"/../doubles/predict"), 404, "not_found"),
    "GET": (get(b"/doubles/predict"), 405, "method_not_allowed"),
    "PUT": (get(b"/doubles/predict", b"Content-Length: 0", method=b"PUT"), 405, "method_not_allowed"),
    "DELETE": (get(b"/doubles/predict", method=b"DELETE"), 405, "method_not_allowed"),
    "POST to the metrics": (post(b"{}", path=b"/metrics"), 405, "method_not_allowed"),
    "no length": (get(b"/doubles/predict", method=b"POST"), 411, "length_required"),
    "too long by its own word": (
        get(b"/doubles/predict", b"Content-Length: 99999999999", method=b"POST"),
        413,
        "body_too_large",
    ),
    "too long in chunks": (post_chunked(*[b" " * 2**20] * 17, path=b"/doubles/predict"), 413, "body_too_large"),
    "too long a header": (get(b"/doubles/predict", b"X: " + b"y" * 20_000), 431, "header_too_large"),
    "too long a path": (get(b"/" + b"y" * 20_000), 431, "header_too_large"),
    "compressed": (post(b"{}", b"Content-Encoding: gzip", path=b"/doubles/predict"), 415, "unsupported_encoding"),
    "two lengths": (
        post(b'{"input": [1]}', b"Content-Length: 3", path=b"/doubles/predict"),
        400,
        "malformed_request",
    ),
    "length and chunks": (
        post(b'{"input": [1]}', b"Transfer-Encoding: chunked", path=b"/doubles/predict"),
        400,
        "malformed_request",
    ),
}


@pytest.mark.parametrize(("raw", "status", "code"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_request_is_refused(path: DataPath, raw: bytes, status: int, code: str) -> None:
    with path.connect() as client:
        try:
            client.sendall(raw)
        except ConnectionError:  # it need not be read to its end
            pass
        (answer,) = parse_responses(read_responses_bytes(client, 1))
    assert (answer.status, answer.error) == (status, code), answer.body


def test_length_that_promises_too_much_is_noticed_when_the_client_ends_its_side(path: DataPath) -> None:
    raw = post(b'{"input": [1]}', path=b"/doubles/predict").replace(b"Content-Length: 14", b"Content-Length: 99")
    (answer,) = parse_responses(path.exchange(raw))
    assert (answer.status, answer.error) == (400, "truncated_request")


def test_length_that_promises_too_little_makes_two_bad_requests_of_one(path: DataPath) -> None:
    raw = post(b'{"input": [1]}', path=b"/doubles/predict").replace(b"Content-Length: 14", b"Content-Length: 9")
    first, second = parse_responses(path.exchange(raw))
    assert (first.status, first.error) == (400, "json_error")
    assert (second.status, second.error) == (400, "malformed_request")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_client_that_disappears_in_its_request_is_forgotten(path: DataPath, part: float) -> None:
    raw = post(b'{"input": [3.5, 4.5, 5.5]}', path=b"/doubles/predict")
    before = path.application_figures("doubles")["queries"]
    with path.connect() as client:
        client.sendall(raw[: int(len(raw) * part)])
    path.wait_until(lambda: path.core.server.open_connections == 1)
    assert path.application_figures("doubles")["queries"] == before


def test_client_that_disappears_before_its_answer_is_forgotten(path: DataPath) -> None:
    for number in range(20):
        path.begin({"input_batch": [[float(number)] * 100] * 50}, "doubles").client.close()
    path.wait_until(lambda: path.core.server.open_connections == 1 and path.core.processor.live_queries == 0)


def test_client_that_never_reads_is_read_no_further(path: DataPath) -> None:
    """Its answers pile up to a limit; then it is read no more, and what it costs is bounded."""
    batch = b'{"input_batch": [' + b",".join([b"[1.5]"] * 1000) + b"]}"
    raw = post(batch, path=b"/doubles/predict")
    with path.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sendall(raw * 3_000)
        assert path.ask({"input": [1.5]}, "doubles").status == 200
    path.wait_until(lambda: path.core.server.open_connections == 1)


def test_stalled_clients_by_the_hundred_keep_nobody_waiting(path: DataPath) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * STALLED_CLIENTS), hard), hard))
    raw = post(b'{"input": [1.5]}', path=b"/doubles/predict")
    stalled: list[socket.socket] = []
    try:
        for index in range(STALLED_CLIENTS):
            client = path.connect()
            client.sendall(raw[: index % len(raw)])  # stalled at every byte of a request
            stalled.append(client)
        path.wait_until(lambda: path.core.server.open_connections == STALLED_CLIENTS + 1)
        for number in range(20):
            assert path.ask({"input": [float(number)]}, "doubles").json["default"] is False
        for client in stalled[1::7]:  # some wake up after all
            client.sendall(raw[stalled.index(client) % len(raw) :])
            (answer,) = parse_responses(read_responses_bytes(client, 1))
            assert answer.json["output"] == 1
    finally:
        for client in stalled:
            client.close()
        path.wait_until(lambda: path.core.server.open_connections == 1)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
