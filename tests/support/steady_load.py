"""Queries at a constant rate over keep-alive connections, and a judgement of every answer.

The models asked are those of `versioned_container`: an output is the input plus the offset of the version that gave
it. A test says which offsets may answer and when that changes (`SteadyLoad.switching`). An answer is wrong unless its
offset was allowed at some time between its query and its arrival; an error, a default output and a broken connection
are failures in any case.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.processes import wait_until

REPEATED_INPUTS = 5  # every second query asks for one of so many; the others ask for what nobody asked before
ANSWER_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One query and what came back."""

    sent_s: float
    received_s: float
    value: float
    status: int
    body: dict[str, Any]


@dataclass
class Verdict:
    """What a load has seen. ``trouble`` holds the first few answers that should not have been."""

    answers: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    defaults: int = 0
    wrong: int = 0
    broken: int = 0  # connections that failed
    trouble: list[Any] = field(default_factory=list)
    by_offset: Counter[float] = field(default_factory=Counter)


class SteadyLoad:
    """Load for the length of a ``with`` block, at the end of which it must have come through without a scratch.

    Parameters
    ----------
    allowed : set of float
        Offsets that may answer from the beginning on.
    rate : float
        Queries a second, over all connections; a connection that is kept waiting catches up.
    extra : mapping
        More fields of each query, such as its version.
    """

    def __init__(
        self,
        query_url: str,
        app: str,
        allowed: set[float],
        *,
        rate: float = 150,
        connections: int = 4,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.answers: list[Answer] = []
        self.broken: list[Exception] = []
        self._netloc = urlsplit(query_url).netloc
        self._path = f"/{app}/predict"
        self._allowed: list[tuple[float, frozenset[float]]] = [(0.0, frozenset(allowed))]  # from when on
        self._interval_s = connections / rate
        self._extra = extra or {}
        self._numbers = itertools.count(1)
        self._is_done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(index,)) for index in range(connections)]

    # -- what a test does meanwhile ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def switching(self, to: set[float]) -> Iterator[None]:
        """Call what changes the answers in this block: in it old and new may answer, behind it only the new ones.

        There is load before and after it.
        """
        self.wait_answers(20)
        before = self._allowed[-1][1]
        self._allowed.append((time.monotonic(), before | to))
        yield
        self._allowed.append((time.monotonic(), frozenset(to)))
        self.wait_answers(20)

    def wait_answers(self, count: int) -> None:
        """Wait for so many more answers."""
        enough = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= enough or bool(self.broken), ANSWER_LIMIT_S)

    # -- the clients -------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_answers(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_done.set()
        for thread in self._threads:
            thread.join()
        if error is None:
            self.check()

    def _run(self, index: int) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=ANSWER_LIMIT_S)
        due_s = time.monotonic() + index * self._interval_s / len(self._threads)
        try:
            while not self._is_done.wait(max(0.0, due_s - time.monotonic())):
                due_s += self._interval_s
                self._ask(connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.broken.append(error)
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        number = next(self._numbers)
        value = float(number if number % 2 else -(number // 2 % REPEATED_INPUTS))
        body = json.dumps({"input": [value, 0.0], **self._extra})
        sent_s = time.monotonic()
        connection.request("POST", self._path, body)
        response = connection.getresponse()
        answer = json.loads(response.read())
        self.answers.append(Answer(sent_s, time.monotonic(), value, response.status, answer))

    # -- the judgement -----------------------------------------------------------------------------------------------

    def judge(self) -> Verdict:
        """Look at every answer."""
        verdict = Verdict(broken=len(self.broken), trouble=[repr(error) for error in self.broken])
        for answer in self.answers:
            verdict.answers += 1
            verdict.statuses[answer.status] += 1
            is_default = bool(answer.body.get("default"))
            offset = None if is_default or answer.status != 200 else answer.body["output"] - answer.value
            verdict.defaults += is_default
            if offset is not None:
                verdict.by_offset[offset] += 1
            if offset is None or offset not in self._allowed_between(answer.sent_s, answer.received_s):
                verdict.wrong += offset is not None
                if len(verdict.trouble) < 5:
                    verdict.trouble.append(answer)
        return verdict

    def check(self) -> None:
        """Fail unless every query was answered in time, and by a version that might answer then."""
        verdict = self.judge()
        assert verdict.answers > 0
        assert (verdict.broken, verdict.defaults, verdict.wrong) == (0, 0, 0), verdict
        assert set(verdict.statuses) == {200}, verdict

    def _allowed_between(self, start_s: float, end_s: float) -> set[float]:
        allowed: set[float] = set()
        for (since_s, offsets), (until_s, _) in itertools.pairwise([*self._allowed, (float("inf"), frozenset())]):
            if since_s <= end_s and until_s > start_s:
                allowed |= offsets
        return allowed


def mean_offset(*offsets: float) -> float:
    """Return the offset of an application that takes the mean of several models."""
    return sum(offsets) / len(offsets)


def all_answered_by(answers: Sequence[dict[str, Any]], model: str) -> bool:
    """Whether no answer is a default, and each names this model version."""
    return all(not answer["default"] and answer["model"] == model for answer in answers)
