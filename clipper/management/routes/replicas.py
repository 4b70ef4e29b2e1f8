"""Replicas: what they do, and what they print."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from clipper.deploy.replicas import split_replica_id
from clipper.errors import NotFoundError
from clipper.management.log_follow import follow
from clipper.management.rendering import replica_answers
from clipper.management.routes.context import API_PREFIX, Context, ContextParameter, errors
from clipper.management.schemas import LogAnswer, ReplicaAnswer
from clipper.types import ModelId, ReplicaId

router = APIRouter(prefix=f"{API_PREFIX}/replicas", tags=["replicas"])
MAX_LOG_LINES: Final = 10_000
_TEXT: Final = "text/plain; charset=utf-8"
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The lines; with `follow` a stream of text that does not end before the version is deleted.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    **errors(404),
}


@router.get("", summary="List the replicas")
async def list_replicas(context: ContextParameter) -> list[ReplicaAnswer]:
    """Return every living replica, those that were started by hand included."""
    return replica_answers(context.fleet)


@router.get("/{replica_id}/log", response_model=LogAnswer, summary="Read or follow a log", responses=_ANSWERS)
async def get_log(
    replica_id: Annotated[str, Path(description="as `GET /api/v1/replicas` names it", examples=["svm:1:0"])],
    context: ContextParameter,
    lines: Annotated[int, Query(ge=1, le=MAX_LOG_LINES, description="how many of the last lines")] = 100,
    follow_on: Annotated[bool, Query(alias="follow", description="go on with what is printed from now on")] = False,
) -> LogAnswer | StreamingResponse:
    """Return the last lines that a replica of a registered version has printed, living or not."""
    model_id = _model_of(replica_id)
    context.operations.state.version(*model_id)
    name = ReplicaId(replica_id)
    log = context.fleet.manager.logs(name, lines)
    living = [replica.replica_id for replica in context.fleet.table]
    if not log and replica_id not in living:
        raise NotFoundError(
            f"there is no log of a replica {replica_id!r}", hint=f"living: {', '.join(living) or 'none'}"
        )
    path = context.fleet.manager.log_path(name)
    if not follow_on or path is None:
        return LogAnswer(replica_id=replica_id, log=log)
    return StreamingResponse(follow(path, lines, _is_over(context, model_id)), media_type=_TEXT)


def _model_of(replica_id: str) -> ModelId:
    try:
        model_id, _ = split_replica_id(ReplicaId(replica_id))
    except ValueError:
        raise NotFoundError(
            f"there is no replica {replica_id!r}", hint="a replica is named model:version:index"
        ) from None
    return model_id


def _is_over(context: Context, model_id: ModelId) -> Callable[[], bool]:
    """Return what tells that nothing more will be printed under this name."""
    operations = context.operations
    return lambda: operations.is_closing or model_id.version not in operations.state.model_versions(model_id.name)
