"""Health, status, replicas and logs."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query

from clipper.deploy.replicas import split_replica_id
from clipper.errors import NotFoundError
from clipper.management.routes.context import API_PREFIX, ContextParameter, errors
from clipper.management.schemas import (
    HealthAnswer,
    LogAnswer,
    ReplicaAnswer,
    StatusAnswer,
    WorkerAnswer,
    application_answer,
    model_answer,
    replica_answer,
)
from clipper.types import ReplicaId

router = APIRouter(tags=["status"])
_MAX_LOG_LINES: Final = 10_000


@router.get("/healthz")
async def health() -> HealthAnswer:
    """Answer: the process is up."""
    return HealthAnswer()


@router.get(f"{API_PREFIX}/status")
async def status(context: ContextParameter) -> StatusAnswer:
    """Return everything there is."""
    state, fleet = context.operations.state, context.fleet
    return StatusAnswer(
        revision=state.revision,
        run_dir=context.run_dir,
        query_url=context.query_url,
        staging_dir=context.staging_dir,
        workers=[
            WorkerAnswer(worker=worker, pid=pid, applied_revision=applied)
            for worker, pid, applied in context.channel.workers
        ],
        applications=[application_answer(application) for application in state.applications.values()],
        models=[model_answer(model, fleet) for model in state.models.values()],
        replicas=[replica_answer(replica, fleet) for replica in fleet.table],
    )


@router.get(f"{API_PREFIX}/replicas")
async def list_replicas(context: ContextParameter) -> list[ReplicaAnswer]:
    """Return every living replica."""
    return [replica_answer(replica, context.fleet) for replica in context.fleet.table]


@router.get(f"{API_PREFIX}/replicas/{{replica_id}}/log", responses=errors(404))
async def get_log(
    replica_id: str, context: ContextParameter, lines: Annotated[int, Query(ge=1, le=_MAX_LOG_LINES)] = 100
) -> LogAnswer:
    """Return the last lines that a replica of a registered version has printed, living or not."""
    try:
        model_id, _ = split_replica_id(ReplicaId(replica_id))
    except ValueError:
        raise NotFoundError(
            f"there is no replica {replica_id!r}", hint="a replica is named model:version:index"
        ) from None
    context.operations.state.version(*model_id)
    log = context.fleet.manager.logs(ReplicaId(replica_id), lines)
    living = [replica.replica_id for replica in context.fleet.table]
    if not log and replica_id not in living:
        raise NotFoundError(
            f"there is no log of a replica {replica_id!r}", hint=f"living: {', '.join(living) or 'none'}"
        )
    return LogAnswer(replica_id=replica_id, log=log)
