"""When a worker takes its first connection: case by case, without a clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from clipper.frontend.warm_start import FIRST_REPLICA_LIMIT_US, WarmStart

LIMIT_US = 2_000_000
STARTED_US = 1_000


@dataclass
class Plan:
    models: list[Model]


@dataclass
class Model:
    ready_replicas: int
    model_id: str = "m:1"


@dataclass
class Application:
    plan: Plan
    name: str = "app"


@dataclass
class Worker:
    """What `WarmStart` looks at, in the form in which the worker has it."""

    revision: int = 0
    applications: dict[str, Application] = field(default_factory=dict)
    replicas_by_id: dict[str, object] = field(default_factory=dict)
    is_stopped: bool = False

    def warm_start(self) -> WarmStart:
        return WarmStart(cast(Any, self), cast(Any, self), LIMIT_US, lambda: self.is_stopped)

    def link(self, ready_replicas: int) -> None:
        self.revision = 1
        self.applications["app"] = Application(Plan([Model(ready_replicas)]))


def test_worker_without_a_snapshot_waits_until_the_limit_and_no_longer() -> None:
    start = Worker().warm_start()
    assert not start.is_over(STARTED_US, STARTED_US + LIMIT_US - 1)
    assert start.is_over(STARTED_US, STARTED_US + LIMIT_US)


@pytest.mark.parametrize("is_linked", [False, True])
def test_worker_with_all_that_it_serves_waits_for_nothing(is_linked: bool) -> None:
    worker = Worker(revision=1)
    if is_linked:
        worker.link(ready_replicas=1)
    assert worker.warm_start().is_over(STARTED_US, STARTED_US)


def test_worker_waits_for_a_replica_that_is_there_and_not_ready() -> None:
    worker = Worker(replicas_by_id={"m:1:0": object()})
    worker.link(ready_replicas=0)
    start = worker.warm_start()
    assert not start.is_over(STARTED_US, STARTED_US + LIMIT_US - 1)
    worker.link(ready_replicas=1)
    assert start.is_over(STARTED_US, STARTED_US + LIMIT_US - 1)


def test_worker_that_no_replica_connects_to_expects_none_for_long() -> None:
    worker = Worker()
    start = worker.warm_start()
    assert not start.is_over(STARTED_US, STARTED_US + 10_000)
    worker.link(ready_replicas=0)
    snapshot_us = STARTED_US + 20_000
    assert not start.is_over(STARTED_US, snapshot_us)
    assert not start.is_over(STARTED_US, snapshot_us + FIRST_REPLICA_LIMIT_US - 1)
    assert start.is_over(STARTED_US, snapshot_us + FIRST_REPLICA_LIMIT_US)


def test_limits_are_the_times_at_which_waiting_may_end_by_itself() -> None:
    worker = Worker()
    start = worker.warm_start()
    assert start.next_limit_us(STARTED_US, STARTED_US) == STARTED_US + LIMIT_US
    worker.link(ready_replicas=0)
    snapshot_us = STARTED_US + 20_000
    start.is_over(STARTED_US, snapshot_us)
    assert start.next_limit_us(STARTED_US, snapshot_us) == snapshot_us + FIRST_REPLICA_LIMIT_US
    assert start.next_limit_us(STARTED_US, snapshot_us + FIRST_REPLICA_LIMIT_US) == STARTED_US + LIMIT_US


async def wait_and_change(worker: Worker) -> None:
    start = worker.warm_start()
    waiting = asyncio.create_task(start.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    worker.link(ready_replicas=1)
    start.look_again()
    await waiting


def test_worker_hears_at_once_of_what_it_waits_for() -> None:
    asyncio.run(asyncio.wait_for(wait_and_change(Worker()), LIMIT_US / 2e6))


def test_worker_that_is_told_to_end_waits_for_nothing() -> None:
    assert Worker(is_stopped=True).warm_start().is_over(STARTED_US, STARTED_US)
