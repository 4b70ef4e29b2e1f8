"""Replays held-out digits as HTTP queries over keep-alive connections, and keeps score."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
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
    """

    def __init__(self, query_url: str, digits: Digits, applications: list[str], client_count: int) -> None:
        self.scores = {application: Score() for application in applications}
        self._netloc = urlsplit(query_url).netloc
        self._digits = digits
        self._bodies = [json.dumps({"input": row}).encode() for row in digits.inputs.tolist()]
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
            connection.request("POST", f"/{application}/predict", self._bodies[index])
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            with self._lock:
                self.scores[application].failures[type(error).__name__] += 1
            return
        latency_us = (time.perf_counter_ns() - start_ns) // 1_000
        with self._lock:
            score = self.scores[application]
            score.queries += 1
            score.latencies_us.append(latency_us)
            if response.status != 200:
                score.failures[str(answer.get("error"))] += 1
            elif answer["default"]:
                score.defaults += 1
            else:
                score.correct += answer["output"] == self._digits.labels[index]
