"""Health, status and configuration of the whole instance."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from clipper.config import keys, masked, value_of
from clipper.management.monitoring_schemas import monitoring_status
from clipper.management.rendering import application_answer, device_answers, model_answer, replica_answers
from clipper.management.routes.context import API_PREFIX, ContextParameter
from clipper.management.schemas import HealthAnswer, StatusAnswer, WorkerAnswer

router = APIRouter(tags=["instance"])


@router.get("/healthz", summary="Ask whether management runs")
async def get_health() -> HealthAnswer:
    """Answer: the process is up."""
    return HealthAnswer()


@router.get(f"{API_PREFIX}/status", summary="Look at everything")
async def get_status(context: ContextParameter) -> StatusAnswer:
    """Return everything there is."""
    state, fleet, config = context.operations.state, context.fleet, context.config
    return StatusAnswer(
        revision=state.revision,
        run_dir=str(config.run_dir),
        query_url=config.query_url,
        staging_dir=str(config.staging_dir),
        rpc_addresses=list(context.channel.rpc_addresses),
        workers=[
            WorkerAnswer(worker=worker, pid=pid, applied_revision=applied)
            for worker, pid, applied in context.channel.workers
        ],
        applications=[application_answer(application) for application in state.applications.values()],
        models=[model_answer(model, fleet) for model in state.models.values()],
        replicas=replica_answers(fleet),
        devices=device_answers(fleet),
        monitoring=[monitoring_status(monitored) for monitored in context.monitoring.all_monitored()],
    )


@router.get(f"{API_PREFIX}/config", summary="Look at the configuration")
async def get_config(context: ContextParameter) -> dict[str, Any]:
    """Return the effective configuration of this instance by section and field; secrets are masked."""
    document: dict[str, Any] = {}
    for key in keys().values():
        section = document.setdefault(key.section, {}) if key.section else document
        section[key.name] = masked(key, value_of(context.config, key))
    return document
