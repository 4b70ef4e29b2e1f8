"""What the fuzzer feeds to a connection of the query port, and what must hold: see `run_one`.

Run by tests/fuzz/http_fuzz.cpp inside an interpreter whose HTTP modules count their branches; by hand, on the modules
of the source tree, with ``python -m tests.fuzz.http_target FILE...``.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from functools import cache
from pathlib import Path

import clipper._core

if modules := os.environ.get("CLIPPER_FUZZ_MODULES"):
    clipper._core.__path__.insert(0, modules)

from clipper._core.route_table import Route, RouteTable
from tests.support.http_mocks import MockServer, echo

MAX_BYTES = 1 << 14
MOST_PIECES = 64
_LIMITS: tuple[dict[str, int], ...] = (
    {},
    {"max_header_bytes": 256, "max_body_bytes": 64, "max_pipelined_requests": 2, "max_pipelined_bytes": 200},
)


class _Failures(logging.Handler):
    """Collects what the server logs as an error of its own: a callback that raised, a connection it had to drop."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def run_one(data: bytes) -> None:
    """Feed one stream whole, then in pieces; the answers must be the same, and none may be a 500.

    Of a request with several faults the one that is told depends on how much of it has come: a head may be malformed
    and too long, or of another version of HTTP. So of a refusal that ends the connection only the place counts, not the
    cause.

    Parameters
    ----------
    data : bytes
        Byte 0 chooses the limits and whether the client ends its side, byte 1 the size of the pieces, of which there
        are not too many; the rest is what the client sends.
    """
    if len(data) < 2 or len(data) > MAX_BYTES:
        return
    options, stream = data[0], data[2:]
    step_bytes = max(1 + data[1] % 97, len(stream) // MOST_PIECES)
    failures, logger = _Failures(), logging.getLogger("clipper.http")
    logger.addHandler(failures)
    try:
        whole = _answers([stream], options)
        pieces = [stream[at : at + step_bytes] for at in range(0, len(stream), step_bytes)]
        in_pieces = _answers(pieces, options)
    finally:
        logger.removeHandler(failures)
    if failures.messages:
        raise AssertionError(f"the server logged {failures.messages}")
    if in_pieces != whole:
        raise AssertionError(f"in pieces of {step_bytes}: {in_pieces!r}, whole: {whole!r}")


def _routes() -> RouteTable:
    predict = Route("predict", "app", is_predict=True)
    metrics = Route("metrics", lambda method, query: (200, b"text/plain", b"x" * min(len(query), 1000)))
    return RouteTable([(b"/app/predict", predict), (b"/metrics", metrics)])


@cache
def _server(limits: int) -> MockServer:
    return MockServer(echo, _routes, **_LIMITS[limits])  # serves one connection after another, as a worker does


def _answers(chunks: list[bytes], options: int) -> bytes:
    bench = _server(options & 1)
    client = bench.connect()
    for chunk in chunks:
        if client.transport.closed or client.transport.eof_written:
            break  # it reads no more, or only to the end
        client.send(chunk)
    if options & 2 and not client.transport.closed:
        client.protocol.eof_received()
        bench.loop.run_turn()
    written = client.transport.written
    if b"HTTP/1.1 500 " in written:
        raise AssertionError(f"a 500: {written!r}")
    client.lose()
    bench.server.flush()
    if bench.server.open_connections or bench.server.open_requests or bench.server.buffered_body_bytes:
        raise AssertionError("the connection is gone and something of it is still counted")
    written = re.sub(rb"Date: [^\r]*", b"Date: x", written)
    starts = [match.start() for match in re.finditer(rb"HTTP/1\.1 [2-5][0-9][0-9] ", written)]
    status = written[starts[-1] + 9 : starts[-1] + 12] if starts else b""
    if status.startswith((b"4", b"505")) and b"\r\nConnection: close\r\n" in written[starts[-1] :]:
        return written[: starts[-1]] + b"refused"
    return written


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run_one(Path(name).read_bytes())
