"""Looks at answers while the load runs: wrk cannot without slowing down, so a thread asks a few queries beside it."""

from __future__ import annotations

import http.client
import threading

from bench.loadgen.request import RequestTemplate
from bench.subjects.subject import DefaultAnswerError, Subject, WrongAnswerError
from bench.workloads import Workload

INTERVAL_S = 0.1  # ten queries a second: nothing beside the load, and enough to see a server that answers wrong
MAX_REASONS = 5


class AnswerProbe:
    """Asks queries of a workload in the background and compares each answer with the model's.

    Parameters
    ----------
    fixed_counter : int, optional
        Ask this very query again and again; default: unique ones.
    """

    def __init__(
        self, subject: Subject, workload: Workload, template: RequestTemplate, fixed_counter: int | None = None
    ) -> None:
        self.subject = subject
        self.workload = workload
        self.template = template
        self.fixed_counter = fixed_counter
        self.asked = 0
        self.defaults = 0  # answers that were the default output
        self.wrong: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> AnswerProbe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        connection = self.subject.connect()
        while not self._ended.wait(INTERVAL_S):
            fixed = self.fixed_counter
            counter = self.subject.take_counters(1) if fixed is None else fixed
            try:
                self.subject.ask(connection, self.workload, self.template, counter)
            except DefaultAnswerError:
                self.defaults += 1
            except (OSError, http.client.HTTPException, WrongAnswerError, ValueError, KeyError) as error:
                connection.close()
                if len(self.wrong) < MAX_REASONS:
                    self.wrong.append(str(error) or repr(error))
            self.asked += 1
        connection.close()
