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


class ProgressStream:
    """Runs an operation and yields its progress as lines, then exactly one line ``done`` or ``error``.

    The operation does not end with this stream: what runs under a task of its own goes on when the caller leaves.

    Parameters
    ----------
    operation : callable
        Gets a `Progress` and returns what to await.
    render : callable
        Makes the JSON value of the last line from what the operation returned.
    """

    def __init__(self, operation: Callable[[Progress], Awaitable[Any]], render: Callable[[Any], Any]) -> None:
        self._operation = operation
        self._render = render
        self._events: asyncio.Queue[ProgressEvent | None] = asyncio.Queue()  # None: the operation is over

    async def start(self) -> None:
        """Begin, and return at the first progress, or when the operation is over without any.

        Raises
        ------
        Exception
            What the operation refused before it had done anything.
        """
        self._task = asyncio.ensure_future(self._operation(Progress(self._events.put_nowait)))
        self._task.add_done_callback(self._on_done)
        self._first = await self._events.get()
        if self._first is None:
            self._task.result()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        event = self._first
        while event is not None:
            yield _line({"event": "progress", **asdict(event)})
            event = await self._events.get()
        yield _line(_last_event(self._task, self._render))

    def _on_done(self, task: asyncio.Future[Any]) -> None:
        self._events.put_nowait(None)
        if not task.cancelled():
            task.exception()  # the caller may have left: it is retrieved here


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
