"""``/metrics``: reads the core's counters and renders them, a little at a time between queries."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Final

from clipper._core.route_request import RouteRequest
from clipper.frontend.learning import Learning
from clipper.frontend.snapshots import SnapshotApplier
from clipper.frontend.wiring import Core
from clipper.metrics.snapshot import (
    ApplicationMetrics,
    CacheMetrics,
    HttpMetrics,
    MetricsSnapshot,
    ModelMetrics,
)

_log = logging.getLogger("clipper.frontend")
# So long a page may keep the loop from its queries at a time, or this share of the turn that they took: a loop that is
# never idle still gives a page a fifth of its time. What a slice begins it finishes: some 0.1 ms more.
_SLICE_S: Final = 0.000_2
_TURN_SHARE: Final = 0.25
_EXPOSITION: Final = "clipper.metrics.exposition"
_FAILURE: Final = {"error": "internal_error", "cause": "the metrics could not be rendered; the log says why"}


class MetricsPage:
    """The target of ``GET /metrics``.

    A page of twenty models takes 30 ms to render, longer than many an objective. So it is rendered in slices, and in
    between the loop answers queries. One page is rendered at a time: who asks meanwhile gets the next, all the same.

    Parameters
    ----------
    slices : callable () -> iterator of bytes
        Begins a page; each step takes a fraction of a millisecond.
    flush : callable ()
        Sends the answers that were given outside a turn of the server.
    """

    def __init__(self, slices: Callable[[], Iterator[bytes]], flush: Callable[[], object]) -> None:
        self._slices = slices
        self._flush = flush
        self._waiting: list[RouteRequest] = []
        self._rendering: asyncio.Task[None] | None = None

    def __call__(self, request: RouteRequest) -> None:
        self._waiting.append(request)
        if self._rendering is None:
            self._rendering = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                status, content_type, body = await self._answer()
                for request in asked:
                    request.respond(status, body, content_type=content_type)
                self._flush()
        finally:
            self._rendering = None

    async def _answer(self) -> tuple[int, bytes, bytes]:
        try:
            return 200, *await self._page()
        except Exception:  # noqa: BLE001 - whoever asks is told, and the next page may be whole
            _log.exception("the page of metrics could not be rendered")
            return 500, b"application/json", json.dumps(_FAILURE).encode()

    async def _page(self) -> tuple[bytes, bytes]:
        if _EXPOSITION not in sys.modules:
            # A fifth of what a worker needs to start: not before somebody asks, and beside the loop.
            await asyncio.to_thread(importlib.import_module, _EXPOSITION)
        from clipper.metrics.exposition import CONTENT_TYPE

        pieces: list[bytes] = []
        end_s = time.monotonic() + _SLICE_S
        for piece in self._slices():
            pieces.append(piece)
            ended_s = time.monotonic()
            if ended_s >= end_s:
                await asyncio.sleep(0)
                begun_s = time.monotonic()
                end_s = begun_s + max(_SLICE_S, _TURN_SHARE * (begun_s - ended_s))
        return CONTENT_TYPE.encode(), b"".join(pieces)


class WorkerCounts:
    """Every count of a worker."""

    def __init__(self, core: Core, snapshots: SnapshotApplier, learning: Learning) -> None:
        self._core = core
        self._snapshots = snapshots
        self._learning = learning

    def slices(self) -> Iterator[bytes]:
        """Read the counts and yield the page of them, step by step; of empty pieces there are many.

        An application or a model is read at one moment, the page is not.
        """
        from clipper.metrics.exposition import slices_of

        snapshot = yield from self._read()
        yield from slices_of(snapshot)

    def _read(self) -> Generator[bytes, None, MetricsSnapshot]:
        applications, models = [], []
        for name, application in list(self._snapshots.applications.items()):
            applications.append(ApplicationMetrics.from_core(name, application.slo_us, application.stats.figures()))
            yield b""
        for model in list(self._snapshots.models.values()):
            states = Counter(replica.state for replica in model.replicas)
            models.append(ModelMetrics.from_core(model.name, model.version, model.queue_depth, states, model.figures()))
            yield b""
        feedback = self._learning.metrics(self._snapshots.applications)
        return MetricsSnapshot(self._http(), applications, feedback, models, self._cache())

    def _http(self) -> HttpMetrics:
        server = self._core.server
        return HttpMetrics(
            requests=server.requests_total,
            refusals=dict(server.refusals),
            connections_open=server.open_connections,
            connections_total=server.connections_total,
            received_bytes=server.received_bytes_total,
            sent_bytes=server.sent_bytes_total,
        )

    def _cache(self) -> CacheMetrics:
        cache = self._core.cache
        return CacheMetrics(
            hits=cache.hits,
            joins=cache.joins,
            misses=cache.misses,
            evictions=cache.evictions,
            resident_entries=cache.resident_entries,
            resident_bytes=cache.resident_bytes,
            budget_bytes=cache.budget_bytes,
        )
