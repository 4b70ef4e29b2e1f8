"""Models: which there are, and which of their versions answers."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from clipper.management.rendering import model_answer
from clipper.management.routes.context import API_PREFIX, ContextParameter, WantsProgress, errors, stream, streamed
from clipper.management.schema_types import ModelName
from clipper.management.schemas import CurrentVersionRequest, ModelAnswer
from clipper.types import ModelId

router = APIRouter(prefix=f"{API_PREFIX}/models", tags=["models"])


@router.get("", summary="List the models")
async def list_models(context: ContextParameter) -> list[ModelAnswer]:
    """Return every model with its versions."""
    return [model_answer(model, context.fleet) for model in context.operations.state.models.values()]


@router.get("/{name}", summary="Look at a model", responses=errors(404))
async def get_model(name: ModelName, context: ContextParameter) -> ModelAnswer:
    """Return one model with its versions."""
    return model_answer(context.operations.state.model(name), context.fleet)


@router.delete("/{name}", status_code=204, response_model=None, summary="Delete a model", responses=streamed(404, 409))
async def delete_model(
    name: ModelName, context: ContextParameter, wants_progress: WantsProgress
) -> StreamingResponse | None:
    """Delete a model that no application is linked to: all its versions, their replicas and files."""
    if wants_progress:
        return await stream(lambda progress: context.operations.delete_model(name, progress), lambda _: None)
    await context.operations.delete_model(name)
    return None


@router.put("/{name}/current_version", summary="Choose the current version", responses=errors(404, 409))
async def set_current_version(
    name: ModelName, request: CurrentVersionRequest, context: ContextParameter
) -> ModelAnswer:
    """Let a deployed version answer the queries that name none: forward or back; queries get it when this returns."""
    model = await context.operations.set_current_version(ModelId(name, request.version))
    return model_answer(model, context.fleet)


@router.post("/{name}/rollback", summary="Roll back", responses=errors(404, 409))
async def roll_back(name: ModelName, context: ContextParameter) -> ModelAnswer:
    """Let the version answer again that was current before the present one; once more goes back one further."""
    return model_answer(await context.operations.rollback(name), context.fleet)
