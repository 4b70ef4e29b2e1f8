"""What the state store did not take is tried again until it does, and said once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

import pytest

from clipper.errors import StateUnavailableError
from clipper.management.operations import Operations
from clipper.management.settling import keep_settled


class Unsettled:
    """Operations whose store takes nothing ``failures`` times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tries = 0
        self.is_settled = False
        self.settled = asyncio.Event()

    async def settle(self) -> None:
        self.tries += 1
        if self.tries <= self.failures:
            raise StateUnavailableError("the disk is full")
        self.is_settled = True
        self.settled.set()


async def settle(operations: Unsettled) -> None:
    task = asyncio.create_task(keep_settled(cast(Operations, operations), interval_us=100))
    await asyncio.wait_for(operations.settled.wait(), 10)
    for _ in range(3):  # it looks again, and finds nothing to do
        await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("failures", [0, 1, 4])
def test_settling_is_tried_until_it_succeeds_and_then_left_alone(
    failures: int, caplog: pytest.LogCaptureFixture
) -> None:
    operations = Unsettled(failures)
    with caplog.at_level("INFO", "clipper.management.settling"):
        asyncio.run(settle(operations))
    assert operations.tries == failures + 1
    assert [record.levelname for record in caplog.records] == ["WARNING"] * min(failures, 1) + ["INFO"]
