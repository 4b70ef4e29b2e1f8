"""A container whose frontend takes nothing: it goes on trying, at a bounded depth, and still ends when it has to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from model_containers import loop as container_loop
from model_containers import settings
from model_containers.connection import FrontendStuckError
from model_containers.container import ModelContainer
from model_containers.loop import ContainerLoop
from model_containers.settings import ContainerLimits, ContainerSettings

LIMITS = ContainerLimits(
    heartbeat_interval_us=2_000,
    frontend_silence_us=20_000,
    orphan_exit_us=300_000,
    drain_answer_us=1_000,
    flush_us=1_000,
)


class Echo(ModelContainer):
    def predict_batch(self, inputs: Any) -> Any:
        return inputs


class DeafConnection:
    """Nobody reads at its other end, as with an address that names no port."""

    is_open = True
    generation = 0
    depths: list[int]  # of the stack, at each connection that was made

    def __init__(self, depths: list[int]) -> None:
        depths.append(_stack_depth())

    def send(self, frames: Sequence[Any]) -> None:
        raise FrontendStuckError

    def receive(self, wait: bool) -> None:
        return None

    def set_wait(self, wait_ms: int) -> None:
        return None

    def hurry(self) -> None:
        return None

    def close(self, flush_us: int) -> None:
        return None


def _stack_depth() -> int:
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


def test_container_that_nobody_reads_connects_again_without_deeper_calls_and_ends_as_an_orphan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depths: list[int] = []
    monkeypatch.setattr(container_loop, "connect", lambda *_: DeafConnection(depths))
    who = ContainerSettings(
        addresses=("tcp://a:1", "tcp://b:1"), model="m", version="1", replica_id="m:1:0", limits=LIMITS
    )
    with ThreadPoolExecutor() as pool:  # not on the main thread, whose signals are pytest's
        assert pool.submit(ContainerLoop(Echo(), who).run).result(20) == settings.EXIT_ORPHANED
    assert len(depths) > 10
    assert max(depths[1:]) <= min(depths[1:]) + 2, "each connection is made from within the one before"
