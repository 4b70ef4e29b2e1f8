"""Requests whose end two servers could see differently are refused and the connection is closed, over real sockets.

RFC 9112 sections 2.2, 5.1, 5.2, 6.1, 6.3, 7.1 and 11.2. Each carries a second request in its tail that must not run.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.http_responses import get, parse_responses, post
from tests.support.http_server_thread import ServerThread, serving

START = b"POST /app/predict HTTP/1.1\r\nHost: test\r\n"
SMUGGLED = get(b"/metrics")
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"

FORMS: dict[str, bytes] = {
    "length then chunked": START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked then length": START + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "differing lengths": START + b"Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
    "equal lengths": START + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "length list": START + b"Content-Length: 3, 3\r\n\r\nabc",
    "length list that differs": START + b"Content-Length: 3, 30\r\n\r\nabc",
    "length with plus": START + b"Content-Length: +3\r\n\r\nabc",
    "length with minus": START + b"Content-Length: -3\r\n\r\nabc",
    "length in hex": START + b"Content-Length: 0x3\r\n\r\nabc",
    "length with a point": START + b"Content-Length: 3.0\r\n\r\nabc",
    "length with a space inside": START + b"Content-Length: 3 0\r\n\r\nabc",
    "length with underscore": START + b"Content-Length: 1_0\r\n\r\nabc",
    "length empty": START + b"Content-Length:\r\n\r\nabc",
    "length beyond 64 bits": START + b"Content-Length: 18446744073709551619\r\n\r\nabc",
    "length with a letter": START + b"Content-Length: 3a\r\n\r\nabc",
    "identity": START + b"Transfer-Encoding: identity\r\n\r\nabc",
    "identity, then chunked": START + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then identity": START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "xchunked": START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice in a list": START + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice in two fields": START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": START + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "gzip before chunked": START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked with a parameter": START + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "chunked in quotes": START + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked after a vertical tab": START + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "transfer encoding empty": START + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n",
    "space before the colon": START + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "space before the colon of length": START + b"Content-Length : 3\r\n\r\nabc",
    "tab before the colon": START + b"Content-Length\t: 3\r\n\r\nabc",
    "field without a colon": START + b"Content-Length 3\r\n\r\nabc",
    "field without a name": START + b": 3\r\n\r\nabc",
    "folded field": START + b"X: y\r\n Content-Length: 3\r\n\r\nabc",
    "folded transfer encoding": START + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "space before the first field": b"POST /app/predict HTTP/1.1\r\n Host: test\r\nContent-Length: 3\r\n\r\nabc",
    "bare LF after a field": START + b"X: y\nContent-Length: 3\r\n\r\nabc",
    "bare LF after the request line": b"POST /app/predict HTTP/1.1\nContent-Length: 3\r\n\r\nabc",
    "bare LF as the empty line": START + b"Content-Length: 3\r\n\nabc",
    "bare CR in a value": START + b"X: y\rContent-Length: 3\r\n\r\nabc",
    "bare CR after a field": START + b"Content-Length: 3\r\r\nabc",
    "NUL in a value": START + b"X: y\x00z\r\nContent-Length: 3\r\n\r\nabc",
    "NUL in a name": START + b"X\x00: y\r\nContent-Length: 3\r\n\r\nabc",
    "NUL in the path": b"POST /app/pre\x00dict HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    "control character in a value": START + b"X: \x01\r\nContent-Length: 3\r\n\r\nabc",
    "two hosts": START + b"Host: other\r\nContent-Length: 3\r\n\r\nabc",
    "space in the path": b"POST /app/predict x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    "version in small letters": b"POST /app/predict http/1.1\r\nContent-Length: 3\r\n\r\nabc",
    "space after the version": b"POST /app/predict HTTP/1.1 \r\nContent-Length: 3\r\n\r\nabc",
    "method in small letters": b"post /app/predict HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    "chunk size in 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size with plus": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size with minus": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a space before": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a space after": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk size with underscore": CHUNKED + b"0_3\r\nabc\r\n0\r\n\r\n",
    "chunk size empty": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "chunk size not hex": CHUNKED + b"g\r\nabc\r\n0\r\n\r\n",
    "chunk size ended by bare LF": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "chunk size ended by bare CR": CHUNKED + b"3\rabc\r\n0\r\n\r\n",
    "chunk shorter than said": CHUNKED + b"4\r\nabc\r\n0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "chunk data ended by bare LF": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "last chunk ended by bare LF": CHUNKED + b"3\r\nabc\r\n0\n\r\n",
    "extension with bare LF": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "extension without a name": CHUNKED + b"3;\r\nabc\r\n0\r\n\r\n",
    "extension with NUL": CHUNKED + b"3;a=\x00\r\nabc\r\n0\r\n\r\n",
    "length as a trailer": CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 30\r\n\r\n",
    "transfer encoding as a trailer": CHUNKED + b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailer with bare LF": CHUNKED + b"3\r\nabc\r\n0\r\nX: y\n\r\n",
}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with serving() as thread:
        yield thread


@pytest.mark.parametrize("form", FORMS, ids=[name.replace(" ", "_") for name in FORMS])
@pytest.mark.parametrize("split", [False, True], ids=["in_one_piece", "in_pieces"])
def test_smuggling_form_is_400_and_the_connection_is_closed(server: ServerThread, form: str, split: bool) -> None:
    stream = FORMS[form] + SMUGGLED
    with server.connect() as client:
        chunks = [stream[i : i + 16] for i in range(0, len(stream), 16)] if split else [stream]
        received = b""
        try:
            for chunk in chunks:
                client.sendall(chunk)
            while piece := client.recv(65_536):
                received += piece
        except ConnectionResetError:
            pass  # the server may close while we still send; what it said has come by then
    responses = parse_responses(received)
    assert [response.status for response in responses] == [400], form
    assert responses[0].headers["connection"] == "close"
    assert responses[0].json["error"] in ("malformed_request", "duplicate_header")


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"abc"),
        START + b"content-length:3\r\n\r\nabc",
        START + b"Content-Length: \t 003 \r\n\r\nabc",
        START + b"Transfer-Encoding: \tCHUNKED \r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b'0003;a=b;c="d e"\r\nabc\r\n000\r\n\r\n',
        CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\nX: y\r\n\r\n",
        b"\r\n" + post(b"abc", b"X-Empty:", b"X-High: \xff"),
    ],
)
def test_unusual_form_that_has_one_meaning_is_served(server: ServerThread, request_bytes: bytes) -> None:
    received = server.exchange(request_bytes + get(b"/metrics", b"Connection: close"))
    assert [response.status for response in parse_responses(received)] == [200, 200]
    assert parse_responses(received)[0].json["bytes"] == 3
