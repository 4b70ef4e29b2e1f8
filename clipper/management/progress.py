"""What a long operation says while it runs, and the stream of JSON lines that carries it to the caller."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from clipper.errors import ClipperError
from clipper.management.answers import error_document

MEDIA_TYPE: Final = "application/x-ndjson"


class Stage(StrEnum):
    """Where an operation stands; in the order in which a deployment passes them."""

    REGISTERING = "registering"  # the registry and the frontends get the change
    FILES = "files"  # the model's files are put in their place
    STARTING = "starting"  # the processes of replicas are started
    LOADING = "loading"  # replicas have registered and load the model
    READY = "ready"  # replicas are ready; the last such event has all of them
    SWITCHING = "switching"  # queries are turned to the version
    STOPPING = "stopping"  # replicas drain and end


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of an operation."""

    stage: Stage
    detail: str
    ready_replicas: int
    replicas: int  # wanted
    elapsed_us: int


class Progress:
    """Turns what an operation says into events; without a listener nobody hears it.

    Parameters
    ----------
    listener : callable, optional
        Gets each `ProgressEvent`, on management's event loop.
    replicas : int
        How many replicas the operation is after; it may set ``replicas`` later.
    """

    def __init__(self, listener: Callable[[ProgressEvent], None] | None = None, replicas: int = 0) -> None:
        self.replicas = replicas
        self.ready_replicas = 0
        self._listener = listener
        self._started_ns = time.monotonic_ns()

    def say(self, stage: Stage, detail: str, ready_replicas: int | None = None) -> None:
        """Tell the listener one step."""
        if ready_replicas is not None:
            self.ready_replicas = ready_replicas
        if self._listener is not None:
            elapsed_us = (time.monotonic_ns() - self._started_ns) // 1000
            self._listener(ProgressEvent(stage, detail, self.ready_replicas, self.replicas, elapsed_us))


async def stream_lines(
    operation: Callable[[Progress], Awaitable[Any]], render: Callable[[Any], Any]
) -> AsyncIterator[bytes]:
    """Run ``operation`` and yield its progress, then exactly one line ``done`` or ``error``.

    The operation does not end with this generator: what runs under a task of its own goes on when the caller leaves.

    Parameters
    ----------
    operation : callable
        Gets a `Progress` and returns what to await.
    render : callable
        Makes the JSON value of the last line from what the operation returned.
    """
    events: asyncio.Queue[ProgressEvent] = asyncio.Queue()
    task = asyncio.ensure_future(operation(Progress(events.put_nowait)))
    try:
        while not (task.done() and events.empty()):
            waiting = asyncio.ensure_future(events.get())
            try:
                await asyncio.wait((waiting, task), return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not waiting.done():
                    waiting.cancel()
            if waiting.done() and not waiting.cancelled():
                yield _line({"event": "progress", **asdict(waiting.result())})
        yield _line(_last_event(task, render))
    finally:
        task.cancel()  # only the wait for the operation


def _last_event(task: asyncio.Future[Any], render: Callable[[Any], Any]) -> Mapping[str, Any]:
    error = task.exception()
    if error is None:
        return {"event": "done", "result": render(task.result())}
    if not isinstance(error, Exception):
        raise error
    status, document = error_document(error)
    retriable = isinstance(error, ClipperError) and error.retriable
    return {"event": "error", "status": status, "retriable": retriable, **document}


def _line(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
