"""What HTTP costs without sockets and without an application: ``python -m bench.micro.http_bench [rounds]``.

The worker's own protocol on a loop whose turns are run by hand; transports keep what is written; the handler answers a
constant at once (in Python: some tenths of a microsecond of each figure are its call). Medians of many short rounds, in
microseconds of this thread's CPU time, so that neither preemption nor a slow moment counts.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from bench.micro.data_path import ManualLoop, RecordingTransport
from bench.micro.data_path_cases import (
    LINEAR_DIMENSION,
    http_request,
    linear_binary_request,
    linear_request,
    noop_request,
)
from clipper._core.http_limits import HttpLimits
from clipper._core.http_protocol import HttpProtocol
from clipper._core.http_request import PyPredictHandler
from clipper._core.http_server import HttpServer
from clipper._core.route_table import Route, RouteTable

ROUNDS: Final = 200
REQUESTS_A_ROUND: Final = 256
ANSWER: Final = b'{"query_id":5237765281521664,"output":1.5,"default":false,"model":"noop:1","confidence":1.0}'
BROWSER: Final = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: application/json, text/plain, */*\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\nOrigin: http://localhost\r\n"
    b"Referer: http://localhost/\r\nCache-Control: no-cache\r\nPragma: no-cache\r\n"
)


@dataclass(frozen=True)
class Case:
    """Bytes as they arrive in one turn of the loop, on each of some connections.

    Parameters
    ----------
    pieces : sequence of bytes
        Each is delivered by a call of its own.
    requests : int
        Whole requests in them.
    connections : int
        That get these bytes in the same turn.
    """

    title: str
    pieces: Sequence[bytes]
    requests: int = 1
    connections: int = 1


def cases() -> list[Case]:
    """Return the cases, the simplest first."""
    small, large = noop_request(1), linear_request(1)
    browser = small.replace(b"Host:", BROWSER + b"Host:", 1)
    health = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:1337\r\n\r\n"
    return [
        Case("POST of 4 doubles", [small]),
        Case("the same on 32 connections in a turn", [small], connections=32),
        Case("the same, 16 pipelined in one read", [small * 16], requests=16),
        Case("the same, cut in two", [small[:100], small[100:]]),
        Case("the same with a browser's headers", [browser]),
        Case(f"POST of {LINEAR_DIMENSION} doubles", [large]),
        Case("the same in reads of 1,448 bytes", [large[at : at + 1448] for at in range(0, len(large), 1448)]),
        Case(f"POST of {LINEAR_DIMENSION} doubles as octets", [linear_binary_request(1)]),
        Case("GET of an operation", [health]),
        Case("POST to a path that nobody has", [http_request("/nobody/predict", b'{"input":[1]}')]),
    ]


class Bench:
    """A server with an application that answers at once, and some connections to it."""

    def __init__(self, connections: int) -> None:
        self._loop = ManualLoop()
        handler = PyPredictHandler(lambda name, body, is_binary, clipper_batch: (200, ANSWER))
        routes = RouteTable(
            [
                (b"/noop/predict", Route("predict", "noop", is_predict=True)),
                (b"/linear/predict", Route("predict", "linear", is_predict=True)),
                (b"/health", Route("health", lambda method, query: (200, b"text/plain", b"ok\n"))),
            ]
        )
        loop: Any = self._loop
        self.server = HttpServer(loop, HttpLimits(), handler, routes)
        self._transports = [RecordingTransport() for _ in range(connections)]
        self._protocols = [self._connect(transport) for transport in self._transports]

    def _connect(self, transport: RecordingTransport) -> HttpProtocol:
        protocol = cast(HttpProtocol, self.server.protocol_factory())
        protocol.connection_made(cast(asyncio.BaseTransport, transport))
        self._loop.run_ready()
        return protocol

    def turn(self, pieces: Sequence[bytes]) -> None:
        """Deliver the pieces on every connection, and end the turn."""
        for protocol in self._protocols:
            for piece in pieces:
                protocol.data_received(piece)
        self._loop.run_ready()

    def answers(self) -> list[bytes]:
        """Return what was written to each connection since the last call."""
        return [transport.take() for transport in self._transports]


def check(case: Case, bench: Bench) -> None:
    """Run one turn.

    Raises
    ------
    RuntimeError
        Not every request was answered.
    """
    bench.turn(case.pieces)
    for answer in bench.answers():
        if answer.count(b"HTTP/1.1 ") != case.requests:
            raise RuntimeError(f"{case.title}: {case.requests} requests were answered by {answer!r}")


def cpu_us(case: Case, rounds: int, requests_a_round: int = REQUESTS_A_ROUND) -> float:
    """Return the CPU time of one request, the median of the rounds."""
    bench = Bench(case.connections)
    check(case, bench)
    turns = max(1, requests_a_round // (case.requests * case.connections))
    seen = []
    for _ in range(rounds):
        start_ns = time.thread_time_ns()
        for _ in range(turns):
            bench.turn(case.pieces)
        seen.append((time.thread_time_ns() - start_ns) / (turns * case.requests * case.connections) / 1e3)
        bench.answers()
    return statistics.median(seen)


def main(arguments: Sequence[str]) -> None:
    """Print a line for each case."""
    rounds = int(arguments[0]) if arguments else ROUNDS
    for case in cases():
        size_bytes = sum(map(len, case.pieces)) // case.requests
        print(f"{case.title:42} {size_bytes:7,} B {cpu_us(case, rounds):8.2f} us a request", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
