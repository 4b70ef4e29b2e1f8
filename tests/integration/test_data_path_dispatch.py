"""Dispatch over real sockets: a stuck replica's batch is answered by another one, and what would be late is refused."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from clipper.config import CoreConfig
from tests.support.data_path import LONG_SLO_US, WAIT_S, DataPath, application, ask_batches, data_path, model

TOO_LATE = "The query was predicted to finish too late: too many wait for the model"
LEARNED_BATCHES = 60


class StallingModel:
    """The first element; the batch that comes next after `stall` was set hangs until `go_on` is."""

    def __init__(self) -> None:
        self.stall = False
        self.is_stuck = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, inputs: list[Any]) -> list[Any]:
        if self.stall:
            self.stall = False
            self.is_stuck.set()
            self.go_on.wait(WAIT_S)
        return [one[0] for one in inputs]


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path(CoreConfig(cache_bytes=0, hedge_ratio=1.0)) as serving:
        yield serving


def items_in_flight(path: DataPath) -> int:
    return sum(replica.items_in_flight for replica in path.core.rpc.replicas_by_id.values())


@pytest.mark.parametrize("ends", ["late answer", "loss"])
def test_batch_of_a_stuck_replica_is_answered_once_by_another_one(path: DataPath, ends: str) -> None:
    predict = StallingModel()
    for index in range(2):
        path.serving(predict, index=index)
    for number in range(LEARNED_BATCHES):
        assert path.ask({"input": [number]}).json["output"] == number
    path.wait_until(lambda: items_in_flight(path) == 0)  # a busy machine may have made a batch look stuck before
    before = path.figures()
    predict.stall = True
    answers = ask_batches(path, [[1.0], [2.0], [3.0]])
    assert predict.is_stuck.is_set()
    assert [answer["output"] for answer in answers] == [1, 2, 3]
    figures = path.figures()
    assert figures["hedges"] > before["hedges"] and figures["hedge_wins"] > before["hedge_wins"]
    path.wait_until(lambda: items_in_flight(path) == 3)  # of the stuck one, which nobody waits for
    if ends == "loss":
        stuck = path.call(
            lambda: [name for name, one in path.core.rpc.replicas_by_id.items() if one.items_in_flight == 3]
        )
        path.gone(*stuck)
        assert path.figures()["requeues"] == before["requeues"]
    predict.go_on.set()
    path.wait_until(lambda: items_in_flight(path) == 0)
    assert path.ask({"input": [4]}).json["output"] == 4
    path.wait_until(lambda: path.core.slots.in_use == 0)


def test_queries_that_would_be_late_are_refused_at_once_and_told_so(path: DataPath) -> None:
    batch_s = 0.03

    def predict(inputs: list[Any]) -> list[Any]:
        time.sleep(batch_s)
        return [one[0] for one in inputs]

    path.apply([application(latency_slo_us=8 * 30_000)], [model(batch_size=1)])
    path.serving(predict)
    for number in range(3):
        path.ask({"input": [number], "slo_us": LONG_SLO_US})
    outcomes = Counter(answer.get("default_explanation", "answered") for answer in ask_batches(path, [[1.0]] * 40))
    assert outcomes["answered"] >= 3
    assert outcomes[TOO_LATE] >= 25
    assert path.figures()["not_admitted"] == outcomes[TOO_LATE]
    assert path.figures()["refused"] == 0

    path.apply([application(latency_slo_us=8 * 30_000, on_miss="error")], [model(batch_size=1)])
    errors = [(answer["error"], answer["cause"]) for answer in ask_batches(path, [[1.0]] * 40) if "error" in answer]
    assert ("overloaded", TOO_LATE) in errors
