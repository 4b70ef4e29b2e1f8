"""Long operations on one version: ended by whom, and undone to the end."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from clipper.errors import ClipperError, ConflictError, DeployError, UnavailableError
from clipper.management.version_tasks import DEPLOYED, VersionTasks
from clipper.types import ModelId

MODEL = ModelId("svm", "1")


class Deployment:
    """An operation that waits for what never comes, or fails, and takes its time to undo itself."""

    def __init__(self, tasks: VersionTasks, error: ClipperError | None = None) -> None:
        self.may_undo = asyncio.Event()
        self.is_undoing = False
        self.is_undone = False
        self._tasks = tasks
        self._error = error

    async def __call__(self) -> None:
        try:
            if self._error is not None:
                raise self._error
            await asyncio.Event().wait()
        except BaseException:
            await self._tasks.finish(self._undo())
            raise

    async def _undo(self) -> None:
        self.is_undoing = True
        await self.may_undo.wait()
        self.is_undone = True


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("error", [None, DeployError("it died")], ids=["waiting", "failed"])
def test_ending_what_is_being_undone_waits_for_that_and_does_not_cut_it_short(error: ClipperError | None) -> None:
    async def scenario() -> None:
        tasks = VersionTasks()
        deployment = Deployment(tasks, error)
        caller = asyncio.create_task(tasks.run([MODEL], DEPLOYED, deployment))
        await turns()
        enders = [asyncio.create_task(tasks.end(MODEL, ConflictError("deleted"))) for _ in range(3)]
        await turns()
        assert deployment.is_undoing and not deployment.is_undone
        assert not any(ender.done() for ender in enders)
        with pytest.raises(ConflictError, match="is being deployed"):
            await tasks.run([MODEL], "scaled", Deployment(tasks))
        deployment.may_undo.set()
        await asyncio.wait_for(asyncio.gather(*enders), 5)
        assert deployment.is_undone
        with pytest.raises(ConflictError if error is None else DeployError):
            await caller

    asyncio.run(scenario())


def test_closing_waits_for_nothing_that_is_being_undone() -> None:
    async def scenario() -> None:
        tasks = VersionTasks()
        deployment = Deployment(tasks)
        caller = asyncio.create_task(tasks.run([MODEL], DEPLOYED, deployment))
        await turns()
        ender = asyncio.create_task(tasks.end(MODEL, ConflictError("deleted")))
        await turns()
        tasks.close()
        with pytest.raises(UnavailableError, match="is being stopped"):
            await asyncio.wait_for(caller, 5)
        with contextlib.suppress(ClipperError):
            await asyncio.wait_for(ender, 5)

    asyncio.run(scenario())
