"""The queries whose cost is recorded, and the program that runs them under callgrind.

``python -m bench.micro.data_path_cases [case ...]`` runs cases with a mark before and after their measured turns: a
call of ``getsid``, which nothing else makes, and at which callgrind writes out what it has counted and begins at zero.
So one process has all cases behind one start-up, and each is counted after its warm-up.
"""

from __future__ import annotations

import itertools
import os
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.micro.data_path import DataPath, PuppetModel
from clipper._core import http_server

MARK = "getsid"
CONNECTIONS = 32
LINEAR_DIMENSION = 784
CLASS_COUNT = 10


@dataclass(frozen=True)
class Case:
    """Some turns of like queries.

    Parameters
    ----------
    title : str
        What a reader is told.
    request : callable (counter) -> bytes
        One whole HTTP request; the counter makes it unique.
    queries_per_turn : int
        Connections that send a request in each turn; so many queries are one batch.
    queries_per_request : int
        Inputs in each request.
    turns : int
        Turns that are measured.
    warm_up_turns : int
        Turns before those: the batch size has grown, the cache is full, every free list has what it needs.
    is_found : bool
        Whether the path is an application's; else the answer is 404.
    """

    title: str
    request: Callable[[int], bytes]
    queries_per_turn: int = CONNECTIONS
    queries_per_request: int = 1
    turns: int = 40
    warm_up_turns: int = 40
    is_found: bool = True

    @property
    def queries(self) -> int:
        """Inputs that the measured turns answer."""
        return self.turns * self.queries_per_turn * self.queries_per_request


def http_request(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """Build a request with the head that wrk sends."""
    fields = f"Host: 127.0.0.1:1337\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode() + body


def noop_body(counter: int) -> str:
    return f"[{counter}.25,2.5,-3.75,4.125]"


def noop_request(counter: int) -> bytes:
    return http_request("/noop/predict", f'{{"input":{noop_body(counter)}}}'.encode())


def batch_request(counter: int) -> bytes:
    inputs = ",".join(noop_body(counter * CONNECTIONS + i) for i in range(CONNECTIONS))
    return http_request("/noop/predict", f'{{"input_batch":[{inputs}]}}'.encode())


_PIXELS = [round(value, 6) for value in np.random.default_rng(1).random(LINEAR_DIMENSION).tolist()]


_PIXELS_TEXT = ",".join(f"{value:.6f}" for value in _PIXELS[1:])
_PIXELS_OCTETS = struct.pack(f"<{LINEAR_DIMENSION - 1}d", *_PIXELS[1:])


def linear_request(counter: int) -> bytes:
    return http_request("/linear/predict", f'{{"input":[{counter}.125,{_PIXELS_TEXT}]}}'.encode())


def linear_binary_request(counter: int) -> bytes:
    return http_request("/linear/predict", struct.pack("<d", counter) + _PIXELS_OCTETS, "application/octet-stream")


CASES = {
    "noop": Case("4 doubles, unique, 32 a turn", noop_request, warm_up_turns=100),
    "noop_alone": Case("4 doubles, unique, 1 a turn", noop_request, queries_per_turn=1, turns=400),
    "linear": Case("784 doubles, unique, 32 a turn", linear_request, turns=5, warm_up_turns=10),
    "linear_binary": Case("784 doubles as octets, unique, 32 a turn", linear_binary_request, turns=10, warm_up_turns=5),
    "cache_hit": Case("4 doubles, the same again, 32 a turn", lambda counter: noop_request(-1), warm_up_turns=10),
    "batch": Case(
        "one request of 32 inputs of 4 doubles a turn", batch_request, queries_per_turn=1, queries_per_request=32
    ),
    "not_found": Case(
        "4 doubles to a path that no application has, answered 404, 32 a turn",
        lambda counter: http_request("/nobody/predict", f'{{"input":{noop_body(counter)}}}'.encode()),
        is_found=False,
    ),
}


def first_element(inputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The no-op model."""
    return inputs[:, 0].copy()


def one_class(inputs: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Stands for a classifier: what a model does is no cost of ours."""
    return (inputs[:, 0] % CLASS_COUNT).astype(np.int64)


class Runner:
    """Runs turns of cases on one data path; every answer is checked."""

    def __init__(self) -> None:
        self._data_path = DataPath(
            [PuppetModel("noop", first_element), PuppetModel("linear", one_class, LINEAR_DIMENSION)], CONNECTIONS
        )
        self._counter = itertools.count()

    def run(self, case: Case, turns: int) -> None:
        """Run so many turns.

        Raises
        ------
        RuntimeError
            If a query was not answered by the model (or, of a path that is nobody's, by a 404).
        """
        for _ in range(turns):
            answers = self._data_path.turn(list(self._requests(case)))
            for answer in answers:
                if not case.is_found:
                    if not answer.startswith(b"HTTP/1.1 404 Not Found\r\n"):
                        raise RuntimeError(f"{case.title}: {answer!r}")
                    continue
                good = answer.count(b'"default":false')
                if not answer.startswith(b"HTTP/1.1 200 OK\r\n") or good != case.queries_per_request:
                    raise RuntimeError(f"{case.title}: not every query was answered by the model: {answer!r}")

    def _requests(self, case: Case) -> Iterator[bytes]:
        for _ in range(case.queries_per_turn):
            yield case.request(next(self._counter))

    def close(self) -> None:
        self._data_path.close()


def mark() -> None:
    """Tell callgrind that a part begins or ends here."""
    os.getsid(0)


def hold_the_date() -> None:
    """Make the Date header cost nothing.

    It is formatted once a second of real time. Under valgrind a second holds a hundredth of the queries that it holds
    in service, so its share of a query would be the machine's slowness.
    """
    vars(http_server)["formatdate"] = lambda usegmt: "Thu, 01 Jan 1970 00:00:00 GMT"


def main(names: list[str]) -> None:
    """Run these cases, marked."""
    hold_the_date()
    runner = Runner()
    for case in (CASES[name] for name in names or CASES):
        runner.run(case, case.warm_up_turns)
        mark()
        runner.run(case, case.turns)
        mark()
    runner.close()


if __name__ == "__main__":
    main(sys.argv[1:])
