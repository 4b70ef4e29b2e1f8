"""Long operations on model versions: at most one on a version at a time, and none ends because its caller left."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from clipper.errors import AlreadyExistsError, ClipperError, ConflictError, UnavailableError
from clipper.types import ModelId

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")
DEPLOYED: Final = "deployed"
SCALED: Final = "scaled"
DELETED: Final = "deleted"


@dataclass(slots=True, eq=False)
class _Running:
    """One operation under way; ``ended_by`` is what its caller is told when somebody else ends it."""

    doing: str
    task: asyncio.Task[Any] | None = None
    ended_by: ClipperError | None = None


class VersionTasks:
    """Runs on management's event loop."""

    def __init__(self) -> None:
        self._running: dict[ModelId, _Running] = {}
        self.ended: Counter[tuple[str, str]] = Counter()  # (what was done, "done" or "failed") -> how often
        self.is_closing = False

    async def run(
        self, model_ids: Sequence[ModelId], doing: str, operation: Callable[[], Coroutine[Any, Any, _Result]]
    ) -> _Result:
        """Run ``operation`` in a task of its own and return its result; a cancelled caller leaves the task running.

        Parameters
        ----------
        doing : str
            What happens to the versions: `DEPLOYED`, `SCALED` or `DELETED`.

        Raises
        ------
        AlreadyExistsError
            A version is to be deployed that is being deployed.
        ConflictError
            Something else is done to one of the versions, or the operation was ended by `end`.
        UnavailableError
            Clipper is being stopped.
        """
        if self.is_closing:
            raise _stopping()
        for model_id in model_ids:
            self._require_idle(model_id, doing)
        running = _Running(doing)
        self._running.update(dict.fromkeys(model_ids, running))
        task = asyncio.get_running_loop().create_task(self._carry_out(model_ids, running, operation))
        running.task = task
        return await asyncio.shield(task)

    async def end(self, model_id: ModelId, reason: ClipperError) -> None:
        """End what is being done to a version, and return when it is undone; its caller gets ``reason``.

        Raises
        ------
        ConflictError
            The version is being deleted: that is not ended.
        """
        running = self._running.get(model_id)
        if running is None or running.task is None:
            return
        if running.doing == DELETED:
            self._require_idle(model_id, DELETED)
        if running.ended_by is None:  # else it is being undone already, which a second cancellation would cut short
            running.ended_by = reason
            running.task.cancel()
        await asyncio.wait([running.task])

    async def finish(self, undoing: Coroutine[Any, Any, None]) -> None:
        """Await what undoes an operation, from within it, to its end: also if the operation is ended meanwhile.

        Else the version would count as idle while it is still being undone, and what is begun anew under its name
        would lose its files. Only when Clipper is being stopped this returns at once.
        """
        task = asyncio.get_running_loop().create_task(undoing)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                if self.is_closing:
                    raise
        task.result()

    def close(self) -> None:
        """End everything, at once: the process is about to end, and its next start undoes half-done deployments."""
        self.is_closing = True
        for running in set(self._running.values()):
            running.ended_by = _stopping()
            if running.task is not None:
                running.task.cancel()

    def _require_idle(self, model_id: ModelId, doing: str) -> None:
        running = self._running.get(model_id)
        if running is None:
            return
        kind = AlreadyExistsError if running.doing == doing == DEPLOYED else ConflictError
        raise kind(
            f"version {model_id.version!r} of model {model_id.name!r} is being {running.doing} by another request",
            hint=f"GET /api/v1/models/{model_id.name}/versions/{model_id.version} tells how far it is",
        )

    async def _carry_out(
        self, model_ids: Sequence[ModelId], running: _Running, operation: Callable[[], Coroutine[Any, Any, _Result]]
    ) -> _Result:
        names = ", ".join(map(str, model_ids))
        try:
            result = await operation()
        except asyncio.CancelledError:
            if running.ended_by is None:
                raise
            self.ended[running.doing, "failed"] += 1
            _logger.warning("%s is not %s: %s", names, running.doing, running.ended_by)
            raise running.ended_by from None
        except ClipperError as error:
            self.ended[running.doing, "failed"] += 1
            _logger.warning("%s is not %s: %s", names, running.doing, error.message)
            raise
        else:
            self.ended[running.doing, "done"] += 1
            _logger.info("%s is %s", names, running.doing)
            return result
        finally:
            for model_id in model_ids:
                del self._running[model_id]


def _stopping() -> UnavailableError:
    return UnavailableError(
        "Clipper is being stopped; when it starts again a deployment that was half done is undone, and a scaling or "
        "deletion that was registered goes on",
        hint="see then what is there, and try again",
    )
