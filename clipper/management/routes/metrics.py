"""``GET /metrics`` of management, for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from clipper.management.monitored import Monitored
from clipper.management.routes.context import Context, ContextParameter
from clipper.metrics.learning import LearningMetrics
from clipper.metrics.management import ManagementSnapshot, VersionMetrics, render_management
from clipper.metrics.monitoring import MonitoringMetrics, WatchedArm
from clipper.metrics.names import MONITOR_EVENT_KINDS
from clipper.registry.records import ModelVersion

router = APIRouter(tags=["instance"])
_OF_HEALTH: Final = tuple(field.name for field in fields(WatchedArm) if field.name != "is_quarantined")


@router.get("/metrics", response_class=PlainTextResponse, summary="Measure management")
async def get_metrics(context: ContextParameter) -> Response:
    """Return what there should be, what there is, and what was done about it, in the Prometheus text format."""
    learning = await context.learning.measures()
    content_type, body = render_management(take_snapshot(context, learning))
    return Response(body, media_type=content_type)


def take_snapshot(context: Context, learning: Mapping[str, LearningMetrics]) -> ManagementSnapshot:
    """Return every count of this process, now, beside those of the learners."""
    state, fleet = context.operations.state, context.fleet
    workers = {worker: applied for worker, _, applied in context.channel.workers}
    versions = list(state.all_versions())
    # Every process that the supervisor keeps running, so that the rate of its restarts begins at zero.
    processes = ("management", *(f"frontend-{worker}" for worker in workers))
    return ManagementSnapshot(
        revision=state.revision,
        entries={"application": len(state.applications), "model": len(state.models), "version": len(versions)},
        workers=workers,
        operations=context.operations.ended,
        actions={"start": fleet.counts.starts, "stop": fleet.counts.stops},
        versions={version.model_id: _version_metrics(context, version) for version in versions},
        restarts={**dict.fromkeys(processes, 0), **fleet.manager.process_restarts},
        learning=learning,
        store_failures=context.learning.store.failures,
        monitoring={each.name: _monitoring_metrics(context, each) for each in context.monitoring.all_monitored()},
    )


def _monitoring_metrics(context: Context, monitored: Monitored) -> MonitoringMetrics:
    quarantined = monitored.monitor.quarantined
    counts = context.monitoring.event_counts
    arms = {
        health.arm: WatchedArm(
            **{name: getattr(health, name) for name in _OF_HEALTH}, is_quarantined=health.arm in quarantined
        )
        for health in monitored.monitor.healths()
    }
    return MonitoringMetrics(arms, {kind: counts[monitored.name, kind] for kind in MONITOR_EVENT_KINDS})


def _version_metrics(context: Context, version: ModelVersion) -> VersionMetrics:
    fleet, model_id = context.fleet, version.model_id
    failure = fleet.failure(model_id)
    return VersionMetrics(
        desired=version.replicas,
        replicas=Counter(str(fleet.table.state(replica)) for replica in fleet.table.of(model_id)),
        failures=fleet.counts.failures[model_id],
        is_quarantined=failure is not None and failure.is_quarantined,
    )
