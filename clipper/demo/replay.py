"""Replays held-out digits as HTTP queries over keep-alive connections, tells their true labels, and keeps score."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from clipper.demo.digits import Digits

_RECENT = 4096  # latencies that a percentile is taken over
_ANSWER_LIMIT_S = 10.0


@dataclass
class Score:
    """What the answers of one application were worth. Written by one thread at a time, under the replay's lock."""

    queries: int = 0
    correct: int = 0
    defaults: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    answers_by_model: Counter[str] = field(default_factory=Counter)  # ``name:version`` as the answers tell it
    correct_by_model: Counter[str] = field(default_factory=Counter)
    feedback: Counter[str] = field(default_factory=Counter)  # outcomes, or codes of errors
    latencies_us: deque[int] = field(default_factory=lambda: deque(maxlen=_RECENT))

    @property
    def accuracy_ratio(self) -> float:
        """Share of right answers; a default output is not one."""
        return self.correct / self.queries if self.queries else 0.0

    def percentile_us(self, percent: float) -> float:
        """Of the recent latencies, measured at the client; 0 before the first."""
        return float(np.percentile(self.latencies_us, percent)) if self.latencies_us else 0.0


class Replay:
    """Clients that each send one query after the other until told to stop.

    Parameters
    ----------
    query_url : str
        Clipper's query address.
    applications : list of str
        Asked in turn, each with the same digits.
    client_count : int
        Connections, and so the most queries in flight.
    tells_labels : bool
        Whether each answer is followed by the true label, as feedback.
    """

    def __init__(
        self,
        query_url: str,
        digits: Digits,
        applications: list[str],
        client_count: int,
        *,
        tells_labels: bool = False,
    ) -> None:
        self.scores = {application: Score() for application in applications}
        self._netloc = urlsplit(query_url).netloc
        self._digits = digits
        self._bodies = [json.dumps({"input": row}).encode() for row in digits.inputs.tolist()]
        self._tells_labels = tells_labels
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run_client, args=(number, client_count), daemon=True)
            for number in range(client_count)
        ]

    def start(self) -> None:
        """Let the clients go."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every client finish its query."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run_client(self, number: int, stride: int) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=_ANSWER_LIMIT_S)
        index = number
        while not self._stop.is_set():
            for application in self.scores:
                self._ask(connection, application, index % len(self._bodies))
            index += stride
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, application: str, index: int) -> None:
        start_ns = time.perf_counter_ns()
        try:
            status, answer = _post(connection, f"/{application}/predict", self._bodies[index])
            latency_us = (time.perf_counter_ns() - start_ns) // 1_000
            outcome = ""
            if self._tells_labels and status == 200 and not answer["default"]:
                body = {"query_id": answer["query_id"], "label": int(self._digits.labels[index])}
                _, told = _post(connection, f"/{application}/update", json.dumps(body).encode())
                outcome = str(told.get("feedback") or told.get("error"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            with self._lock:
                self.scores[application].failures[type(error).__name__] += 1
            return
        with self._lock:
            self._count(self.scores[application], status, answer, latency_us, index)
            if outcome:
                self.scores[application].feedback[outcome] += 1

    def _count(self, score: Score, status: int, answer: Mapping[str, Any], latency_us: int, index: int) -> None:
        score.queries += 1
        score.latencies_us.append(latency_us)
        if status != 200:
            score.failures[str(answer.get("error"))] += 1
        elif answer["default"]:
            score.defaults += 1
        else:
            is_right = bool(answer["output"] == self._digits.labels[index])
            score.correct += is_right
            score.answers_by_model[answer["model"]] += 1
            score.correct_by_model[answer["model"]] += is_right


def _post(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[int, Any]:
    connection.request("POST", path, body)
    response = connection.getresponse()
    return response.status, json.loads(response.read())
