"""``/metrics``: reads the core's counters into a snapshot and renders it."""

from __future__ import annotations

from collections import Counter

from clipper.frontend.learning import Learning
from clipper.frontend.snapshots import SnapshotApplier
from clipper.frontend.wiring import Core
from clipper.metrics.snapshot import (
    ApplicationMetrics,
    CacheMetrics,
    FeedbackMetrics,
    HttpMetrics,
    MetricsSnapshot,
    ModelMetrics,
)


class MetricsPage:
    """The handler of ``GET /metrics``."""

    def __init__(self, core: Core, snapshots: SnapshotApplier, learning: Learning | None = None) -> None:
        self._core = core
        self._snapshots = snapshots
        self._learning = learning

    def __call__(self, method: bytes, query: bytes) -> tuple[int, bytes, bytes]:
        # Not at the top: it is a fifth of what a worker needs to start. The worker imports it when it serves.
        from clipper.metrics.exposition import render

        content_type, body = render(self.snapshot)
        return 200, content_type.encode(), body

    def snapshot(self) -> MetricsSnapshot:
        """Every count of this worker, now."""
        return MetricsSnapshot(self._http(), self._applications(), self._feedback(), self._models(), self._cache())

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

    def _applications(self) -> list[ApplicationMetrics]:
        return [
            ApplicationMetrics.from_core(name, application.slo_us, application.stats.figures())
            for name, application in self._snapshots.applications.items()
        ]

    def _feedback(self) -> FeedbackMetrics:
        learning = self._learning
        return FeedbackMetrics() if learning is None else learning.metrics(self._snapshots.applications)

    def _models(self) -> list[ModelMetrics]:
        return [
            ModelMetrics.from_core(
                model.name,
                model.version,
                model.queue_depth,
                Counter(replica.state for replica in model.replicas),
                model.figures(),
            )
            for model in self._snapshots.models.values()
        ]

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
