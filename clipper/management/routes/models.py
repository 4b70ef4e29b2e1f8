"""Models, versions and their replicas."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from clipper.management.routes.context import API_PREFIX, ContextParameter, errors
from clipper.management.schemas import (
    CurrentVersionRequest,
    DeployRequest,
    ModelAnswer,
    ReplicasRequest,
    VersionAnswer,
    model_answer,
    version_answer,
)
from clipper.registry import names
from clipper.registry.records import ModelVersion
from clipper.types import ModelId

router = APIRouter(prefix=f"{API_PREFIX}/models", tags=["models"])


@router.get("")
async def list_models(context: ContextParameter) -> list[ModelAnswer]:
    """Return every model with its versions."""
    return [model_answer(model, context.fleet) for model in context.operations.state.models.values()]


@router.get("/{name}", responses=errors(404))
async def get_model(name: str, context: ContextParameter) -> ModelAnswer:
    """Return one model."""
    return model_answer(context.operations.state.model(name), context.fleet)


@router.put("/{name}/current_version", responses=errors(404, 409, 503))
async def set_current_version(name: str, request: CurrentVersionRequest, context: ContextParameter) -> ModelAnswer:
    """Roll forward or back to a deployed version."""
    await context.operations.set_current_version(ModelId(name, request.version))
    return model_answer(context.operations.state.model(name), context.fleet)


@router.post("/{name}/versions", status_code=201, responses=errors(404, 409, 502, 503))
async def deploy(name: str, request: DeployRequest, context: ContextParameter) -> VersionAnswer:
    """Deploy a version; every replica is ready when this returns, or nothing of it is left."""
    version = ModelVersion(
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
        sample_input_json=names.check_sample_input(request.sample_input),
    )
    files = None if request.files is None else Path(request.files)
    deployed = await context.operations.deploy(version, files, request.make_current)
    return _answer(context, deployed)


@router.get("/{name}/versions/{version}", responses=errors(404))
async def get_version(name: str, version: str, context: ContextParameter) -> VersionAnswer:
    """Return one version."""
    return _answer(context, context.operations.state.version(name, version))


@router.delete("/{name}/versions/{version}", status_code=204, responses=errors(404, 409, 503))
async def delete_version(name: str, version: str, context: ContextParameter) -> None:
    """Remove a version with its replicas and files; not the current one of a linked model."""
    await context.operations.delete_version(ModelId(name, version))


@router.put("/{name}/versions/{version}/replicas", responses=errors(404, 502, 503))
async def set_replicas(name: str, version: str, request: ReplicasRequest, context: ContextParameter) -> VersionAnswer:
    """Scale; the replicas are ready, or gone, when this returns. Ends a quarantine."""
    return _answer(context, await context.operations.set_replicas(ModelId(name, version), request.count))


def _answer(context: ContextParameter, version: ModelVersion) -> VersionAnswer:
    return version_answer(context.operations.state.model(version.name), version, context.fleet)
