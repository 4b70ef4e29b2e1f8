"""Versions of models: deployed, scaled and deleted, with their progress if the caller asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from clipper.deploy.resources import with_gpus
from clipper.management.rendering import version_answer
from clipper.management.routes.context import (
    API_PREFIX,
    Context,
    ContextParameter,
    WantsProgress,
    errors,
    stream,
    streamed,
)
from clipper.management.schema_types import ModelName, Version
from clipper.management.schemas import DeployRequest, ReplicasRequest, VersionAnswer
from clipper.registry import names
from clipper.registry.records import ModelVersion
from clipper.types import ModelId

_PREFIX: Final = f"{API_PREFIX}/models/{{name}}/versions"
router = APIRouter(prefix=_PREFIX, tags=["models"])


@router.post(
    "", status_code=201, response_model=VersionAnswer, summary="Deploy a version", responses=streamed(404, 409, 502)
)
async def deploy_version(
    name: ModelName,
    request: DeployRequest,
    context: ContextParameter,
    wants_progress: WantsProgress,
    response: Response,
) -> VersionAnswer | StreamingResponse:
    """Deploy a version; every replica is ready when this returns, or nothing of it is left.

    It goes on when the caller leaves; to end it, delete the version.
    """
    version = _to_version(name, request)
    files = None if request.files is None else Path(request.files)
    operations = context.operations
    if wants_progress:
        return await stream(
            lambda progress: operations.deploy(version, files, request.make_current, progress),
            lambda deployed: _answer(context, deployed).model_dump(mode="json"),
        )
    deployed = await operations.deploy(version, files, request.make_current)
    response.headers["Location"] = f"{_PREFIX.format(name=name)}/{version.version}"
    return _answer(context, deployed)


@router.get("/{version}", summary="Look at a version", responses=errors(404))
async def get_version(name: ModelName, version: Version, context: ContextParameter) -> VersionAnswer:
    """Return one version with the state of its replicas."""
    return _answer(context, context.operations.state.version(name, version))


@router.delete(
    "/{version}", status_code=204, response_model=None, summary="Delete a version", responses=streamed(404, 409)
)
async def delete_version(
    name: ModelName, version: Version, context: ContextParameter, wants_progress: WantsProgress
) -> StreamingResponse | None:
    """Remove a version with its replicas and files; not the current one of a linked model.

    What is being done to the version ends: its caller gets 409.
    """
    model_id = ModelId(name, version)
    if wants_progress:
        return await stream(lambda progress: context.operations.delete_version(model_id, progress), lambda _: None)
    await context.operations.delete_version(model_id)
    return None


@router.put(
    "/{version}/replicas", response_model=VersionAnswer, summary="Scale a version", responses=streamed(404, 409, 502)
)
async def set_replicas(
    name: ModelName,
    version: Version,
    request: ReplicasRequest,
    context: ContextParameter,
    wants_progress: WantsProgress,
) -> VersionAnswer | StreamingResponse:
    """Scale; the replicas are ready, or gone, when this returns. Ends a quarantine."""
    model_id, operations = ModelId(name, version), context.operations
    if wants_progress:
        return await stream(
            lambda progress: operations.set_replicas(model_id, request.count, progress),
            lambda scaled: _answer(context, scaled).model_dump(mode="json"),
        )
    return _answer(context, await operations.set_replicas(model_id, request.count))


def _to_version(name: str, request: DeployRequest) -> ModelVersion:
    return ModelVersion(
        name=name,
        version=request.version,
        input_type=names.check_input_type(request.input_type),
        container=request.container,
        replicas=request.replicas,
        controller=request.controller,
        batch_size=request.batch_size,
        max_batch_size=request.max_batch_size,
        labels=names.check_labels(request.labels),
        environment=request.environment,
        resources=with_gpus(names.check_resources(request.resources), request.gpus),
        description=request.description,
        sample_input_json=names.check_sample_input(request.sample_input),
    )


def _answer(context: Context, version: ModelVersion) -> VersionAnswer:
    return version_answer(context.operations.state.model(version.name), version, context.fleet)
