"""Applications and their links."""

from __future__ import annotations

from fastapi import APIRouter, Response

from clipper.management.rendering import application_answer
from clipper.management.routes.context import API_PREFIX, ContextParameter, errors
from clipper.management.schema_types import ApplicationName, ModelName
from clipper.management.schemas import ApplicationAnswer, ApplicationRequest
from clipper.registry import names
from clipper.registry.learning import check_learning, check_policy, implied_learning
from clipper.registry.records import Application

router = APIRouter(prefix=f"{API_PREFIX}/applications", tags=["applications"])


@router.get("", summary="List the applications")
async def list_applications(context: ContextParameter) -> list[ApplicationAnswer]:
    """Return every application."""
    return [application_answer(application) for application in context.operations.state.applications.values()]


@router.post("", status_code=201, summary="Register an application", responses=errors(409))
async def register_application(
    request: ApplicationRequest, context: ContextParameter, response: Response
) -> ApplicationAnswer:
    """Register an application; queries to it are answered when this returns."""
    input_type = names.check_input_type(request.input_type)
    shape, dtype = names.check_shape(input_type, request.shape, request.dtype)
    slo_us = names.check_slo("latency_slo_us", request.latency_slo_us)
    policy = check_policy(request.policy)
    application = Application(
        name=names.check_application_name(request.name),
        input_type=input_type,
        default_output_json=names.check_default_output(request.default_output),
        latency_slo_us=slo_us,
        max_slo_us=slo_us if request.max_slo_us is None else request.max_slo_us,
        shape=shape,
        dtype=dtype,
        on_miss=request.on_miss,
        policy=policy,
        cache=request.cache,
        cache_ttl_us=request.cache_ttl_us,
        learning=implied_learning(policy, check_learning(request.learning)),
    )
    registered = await context.operations.register_application(application)
    response.headers["Location"] = f"{router.prefix}/{registered.name}"
    return application_answer(registered)


@router.get("/{name}", summary="Look at an application", responses=errors(404))
async def get_application(name: ApplicationName, context: ContextParameter) -> ApplicationAnswer:
    """Return one application."""
    return application_answer(context.operations.state.application(name))


@router.delete("/{name}", status_code=204, summary="Delete an application", responses=errors(404))
async def delete_application(name: ApplicationName, context: ContextParameter) -> None:
    """Delete an application with its links; its models stay. Queries to it get 404 when this returns."""
    await context.operations.delete_application(name)


@router.put("/{name}/links/{model}", summary="Link a model", responses=errors(404, 409))
async def link_model(name: ApplicationName, model: ModelName, context: ContextParameter) -> ApplicationAnswer:
    """Link a model, behind those that are linked already; queries use it when this returns."""
    return application_answer(await context.operations.link_model(name, model))


@router.delete("/{name}/links/{model}", summary="Undo a link", responses=errors(404))
async def unlink_model(name: ApplicationName, model: ModelName, context: ContextParameter) -> ApplicationAnswer:
    """Undo a link; the model and its replicas stay."""
    return application_answer(await context.operations.unlink_model(name, model))
