"""The metrics of the management process: what there should be, what there is, and what was done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from clipper.metrics import names
from clipper.metrics.exposition import Family, family_of, page_of, split_samples
from clipper.metrics.learning import LearningMetrics, learning_families
from clipper.metrics.monitoring import MonitoringMetrics, monitoring_families
from clipper.types import ModelId


@dataclass(frozen=True)
class VersionMetrics:
    """One model version; ``replicas`` by state (`clipper.metrics.names.MANAGED_STATES`)."""

    desired: int = 0
    replicas: Mapping[str, int] = field(default_factory=dict)
    failures: int = 0
    is_quarantined: bool = False


@dataclass(frozen=True)
class ManagementSnapshot:
    """Everything that management counts, at one moment.

    Parameters
    ----------
    entries : mapping
        Of the registry, by kind.
    workers : mapping
        Revision that each connected frontend worker serves.
    operations : mapping
        ``(operation, outcome)`` -> how often.
    actions : mapping
        ``start`` and ``stop`` -> how often.
    restarts : mapping
        Process -> how often the supervisor has started it again.
    learning : mapping
        Application -> its learning, of those that learn.
    store_failures : mapping
        ``read`` and ``write`` -> how often the learners' store failed.
    monitoring : mapping
        Application -> what is known of its models, of those that are monitored.
    """

    revision: int = 0
    entries: Mapping[str, int] = field(default_factory=dict)
    workers: Mapping[int, int] = field(default_factory=dict)
    operations: Mapping[tuple[str, str], int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[ModelId, VersionMetrics] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)
    learning: Mapping[str, LearningMetrics] = field(default_factory=dict)
    store_failures: Mapping[str, int] = field(default_factory=dict)
    monitoring: Mapping[str, MonitoringMetrics] = field(default_factory=dict)


def render_management(snapshot: ManagementSnapshot) -> tuple[str, bytes]:
    """Return ``(content_type, body)`` of management's ``GET /metrics``."""
    return page_of(_families(snapshot))


def _families(snapshot: ManagementSnapshot) -> Iterator[Family]:
    """Yield every family, also those that have no sample yet, in the order of `clipper.metrics.names.METRICS`."""
    yield family_of(names.REGISTRY_REVISION, [((), snapshot.revision)])
    yield family_of(names.REGISTRY_ENTRIES, [((kind,), count) for kind, count in snapshot.entries.items()])
    yield family_of(names.WORKERS_CONNECTED, [((), len(snapshot.workers))])
    yield family_of(names.WORKER_REVISION, [((str(w),), revision) for w, revision in snapshot.workers.items()])
    ended = [
        ((operation, outcome), snapshot.operations.get((operation, outcome), 0))
        for operation in names.OPERATIONS
        for outcome in names.OUTCOMES
    ]
    yield family_of(names.VERSION_OPERATIONS, ended)
    yield family_of(names.RECONCILE_ACTIONS, [((action,), count) for action, count in snapshot.actions.items()])
    yield from _version_families(snapshot.versions)
    yield family_of(names.PROCESS_RESTARTS, [((process,), n) for process, n in snapshot.restarts.items()])
    yield from learning_families(snapshot.learning, snapshot.store_failures)
    yield from monitoring_families(snapshot.monitoring)


def _version_families(versions: Mapping[ModelId, VersionMetrics]) -> Iterator[Family]:
    labelled = [((model_id.name, model_id.version), version) for model_id, version in versions.items()]
    yield family_of(names.REPLICA_FAILURES, [(labels, version.failures) for labels, version in labelled])
    yield family_of(names.QUARANTINED, [(labels, int(version.is_quarantined)) for labels, version in labelled])
    yield family_of(names.REPLICAS_DESIRED, [(labels, version.desired) for labels, version in labelled])
    replicas = [s for labels, v in labelled for s in split_samples(labels, v.replicas, names.MANAGED_STATES)]
    yield family_of(names.REPLICAS, replicas)
