"""The counts of one worker at one moment, as plain values: what `exposition` renders.

The frontend fills these from the core's counters when somebody asks for ``/metrics``; nothing here is touched by a
query. All counts only ever grow, except those described as "now".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clipper.metrics.log_buckets import HistogramSnapshot


@dataclass(frozen=True)
class HttpMetrics:
    """Counts of the HTTP server; `refusals` by stable error code."""

    requests: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)
    connections_open: int = 0
    connections_total: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


@dataclass(frozen=True)
class ApplicationMetrics:
    """Counts of one application.

    `defaults` and `errors` are by reason (`clipper.metrics.names.REASONS`), `predictions` by kind (``ANSWER_KINDS``).
    """

    name: str
    latency_slo_us: int = 0
    queries: int = 0
    defaults: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    selection_failures: int = 0
    late: int = 0
    bad_requests: int = 0
    predictions: Mapping[str, int] = field(default_factory=dict)
    latency_us: HistogramSnapshot = field(default_factory=HistogramSnapshot)

    @classmethod
    def from_core(cls, name: str, latency_slo_us: int, counts: Mapping[str, Any]) -> ApplicationMetrics:
        """Join what the configuration knows with what ``export_application`` in the core returned."""
        return cls(name, latency_slo_us, **_read_histograms(counts))


@dataclass(frozen=True)
class ModelMetrics:
    """Counts of one model version; `stages_us` by stage (`clipper.metrics.names.STAGES`), `replicas` by state."""

    name: str
    version: str
    queue_depth: int = 0
    replicas: Mapping[str, int] = field(default_factory=dict)
    tasks: int = 0
    batches: int = 0
    early_drops: int = 0
    refused: int = 0
    requeues: int = 0
    failures: int = 0
    missing: int = 0
    not_admitted: int = 0
    sent_ahead: int = 0
    hedges: int = 0
    hedged_tasks: int = 0
    hedge_wins: int = 0
    shadow_tasks: int = 0
    shadow_refusals: int = 0
    cache_hits: int = 0
    cache_joins: int = 0
    cache_misses: int = 0
    batch_size: HistogramSnapshot = field(default_factory=HistogramSnapshot)
    stages_us: Mapping[str, HistogramSnapshot] = field(default_factory=dict)

    @classmethod
    def from_core(
        cls, name: str, version: str, queue_depth: int, replicas: Mapping[str, int], counts: Mapping[str, Any]
    ) -> ModelMetrics:
        """Join what the runtime knows with what ``export_model`` in the core returned."""
        return cls(name, version, queue_depth, replicas, **_read_histograms(counts))


@dataclass(frozen=True)
class CacheMetrics:
    """Counts of the prediction cache."""

    hits: int = 0
    joins: int = 0
    misses: int = 0
    evictions: int = 0
    resident_entries: int = 0
    resident_bytes: int = 0
    budget_bytes: int = 0


@dataclass(frozen=True)
class ApplicationFeedback:
    """Counts of what came back about one application's answers; `outcomes` by ``FEEDBACK_OUTCOMES``.

    The last five are of applications that learn.
    """

    name: str
    outcomes: Mapping[str, int] = field(default_factory=dict)
    learns: bool = False
    decisions: int = 0
    observations_waiting: int = 0
    observations_lost: int = 0
    decision_lines: int = 0
    decision_lines_lost: int = 0


@dataclass(frozen=True)
class DecisionLogMetrics:
    """Counts of the decision log."""

    records: int = 0
    bytes: int = 0
    budget_bytes: int = 0
    evictions: int = 0
    refusals: int = 0


@dataclass(frozen=True)
class FeedbackMetrics:
    """Counts of all feedback."""

    applications: Sequence[ApplicationFeedback] = ()
    log: DecisionLogMetrics = field(default_factory=DecisionLogMetrics)


@dataclass(frozen=True)
class MetricsSnapshot:
    """Everything one worker counts."""

    http: HttpMetrics = field(default_factory=HttpMetrics)
    applications: Sequence[ApplicationMetrics] = ()
    feedback: FeedbackMetrics = field(default_factory=FeedbackMetrics)
    models: Sequence[ModelMetrics] = ()
    cache: CacheMetrics = field(default_factory=CacheMetrics)


def _read_histograms(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Turn exported histograms into snapshots: ``*_us`` and ``batch_size``, or a mapping of them (the stages)."""
    fields = dict(counts)
    for key in ("latency_us", "batch_size"):
        if key in fields:
            fields[key] = HistogramSnapshot.from_export(fields[key])
    if "stages_us" in fields:
        fields["stages_us"] = {stage: HistogramSnapshot.from_export(e) for stage, e in fields["stages_us"].items()}
    return fields
