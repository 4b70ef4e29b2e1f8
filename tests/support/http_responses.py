"""A strict little reader of HTTP/1.1 responses, and the requests that tests send."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Response(NamedTuple):
    """One response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The stable code of an error answer; the answer must have the form of one."""
        answer = self.json
        if set(answer) != {"error", "cause"} or not answer["cause"]:
            raise AssertionError(f"not an error answer: {answer}")
        return str(answer["error"])


def parse_responses(data: bytes, *, head_only: bool = False) -> list[Response]:
    """Read all responses of a byte stream; raises ValueError unless it ends with the last of them."""
    responses: list[Response] = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        if not separator:
            raise ValueError(f"truncated head: {head!r}")
        lines = head.decode("ascii").split("\r\n")
        version, status, reason = lines[0].split(" ", 2)
        if version != "HTTP/1.1" or not reason:
            raise ValueError(f"bad status line: {lines[0]!r}")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            if name.lower() in headers:
                raise ValueError(f"{name} is given twice")
            headers[name.lower()] = value
        length = 0 if head_only or int(status) in (100, 204) else int(headers["content-length"])
        if len(data) < length:
            raise ValueError(f"truncated body: {data!r}")
        responses.append(Response(int(status), headers, data[:length]))
        data = data[length:]
    return responses


def post(body: bytes = b"{}", *headers: bytes, path: bytes = b"/app/predict", version: bytes = b"HTTP/1.1") -> bytes:
    """Make a POST with Content-Length."""
    lines = [b"POST " + path + b" " + version, b"Host: test", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def post_chunked(*chunks: bytes, path: bytes = b"/app/predict") -> bytes:
    """Make a POST with a chunked body."""
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    return b"POST " + path + b" HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


def get(path: bytes, *headers: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """Make a request without a body."""
    return b"\r\n".join([method + b" " + path + b" " + version, b"Host: test", *headers]) + b"\r\n\r\n"
