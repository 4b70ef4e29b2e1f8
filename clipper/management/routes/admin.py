"""The admin calls of the original Clipper, for scripts that were written for it: applications and links.

Answers are plain text, or JSON without a declared form, under ``Content-Type: application/json``; errors are 400 with
the original's texts. docs/management-api.md has the table of differences.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from clipper.errors import AlreadyExistsError, CallerError, NotFoundError
from clipper.management.answers import error_document
from clipper.management.original_json import (
    BOOL,
    INPUT_TYPE,
    INT,
    STRING,
    STRINGS,
    Fields,
    Kind,
    OriginalError,
    read_object,
    schema_text,
)
from clipper.management.routes.context import Context, ContextParameter
from clipper.registry import changes, names
from clipper.registry.records import Application, RegistryState

PREFIX: Final = "/admin/"
router = APIRouter(tags=["original"])
_TYPES: Final = ("bytes", "integers", "floats", "doubles", "strings")
Handler = Callable[[Context, dict[str, Any]], Awaitable[Any]]


class OriginalAnswer(Response):
    """A text under the Content-Type that the original gave everything."""

    media_type = "application/json"


def error_response(error: Exception) -> Response:
    """Return an error as the original does: the text alone; what is not the caller's fault keeps its status."""
    status, document = error_document(error)
    hint = "" if isinstance(error, OriginalError) or not document["hint"] else f" ({document['hint']})"
    return OriginalAnswer(document["cause"] + hint, 400 if isinstance(error, CallerError) else status)


def add_call(target: APIRouter, name: str, summary: str, /, **kinds: Kind) -> Callable[[Handler], Handler]:
    """Register what decorates as ``POST /admin/<name>``: it gets the checked body and returns text, or a JSON value."""

    def register(handler: Handler) -> Handler:
        async def call(request: Request, context: ContextParameter) -> Response:
            values = read_object(await request.body(), kinds)
            answer = await handler(context, values)
            return OriginalAnswer(answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":")))

        target.add_api_route(
            PREFIX + name, call, methods=["POST"], name=f"admin_{name}", summary=summary,
            description=handler.__doc__ or "", response_class=OriginalAnswer, responses=_ANSWERS,
            openapi_extra=_body(kinds),
        )  # fmt: skip
        return handler

    return register


_TEXT: Final[dict[str, Any]] = {"application/json": {"schema": {"description": "plain text, or JSON"}}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Done; queries see it.", "content": _TEXT},
    400: {"description": "The original's text of what is wrong; nothing has changed.", "content": _TEXT},
}


def _body(fields: Fields) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": list(fields),
        "properties": {key: dict(kind.schema) for key, kind in fields.items()},
        "description": schema_text(fields),
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def check_input_type(text: str) -> str:
    """Return the canonical input type of one of the original's spellings."""
    canonical = text if text == "tensor" else _canonical(text)
    if canonical not in _TYPES:
        raise OriginalError(f"{text} is not a valid input string")
    return canonical


def _canonical(text: str) -> str:
    try:
        return names.check_input_type(text)
    except CallerError:
        return ""


def to_default_output(text: str) -> str:
    """Return the JSON text of a default output: the text itself if it is JSON, else a JSON string of it."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return names.check_default_output(text)
    names.check_default_output(text)  # its length
    return text.strip()


def from_default_output(application: Application) -> str:
    """Return the default output as it was registered."""
    value = json.loads(application.default_output_json)
    return value if isinstance(value, str) else application.default_output_json


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _application(application: Application) -> dict[str, Any]:
    return {
        "input_type": application.input_type,
        "default_output": from_default_output(application),
        "latency_slo_micros": application.latency_slo_us,
        "name": application.name,
        "linked_models": list(application.models),
    }


@router.get(PREFIX + "ping", summary="Ask whether management runs", response_class=OriginalAnswer, responses=_ANSWERS)
async def admin_ping() -> OriginalAnswer:
    """Answer PONG."""
    return OriginalAnswer("PONG")


@add_call(
    router, "add_app", "Register an application",
    name=STRING, input_type=INPUT_TYPE, default_output=STRING, latency_slo_micros=INT,
)  # fmt: skip
async def add_app(context: Context, values: dict[str, Any]) -> str:
    """Register an application; it answers queries when this returns."""
    name, slo_us = values["name"], names.check_slo("latency_slo_micros", values["latency_slo_micros"])
    application = Application(
        name=names.check_application_name(name),
        input_type=check_input_type(values["input_type"]),
        default_output_json=to_default_output(values["default_output"]),
        latency_slo_us=slo_us,
        max_slo_us=slo_us,
    )
    try:
        await context.operations.register_application(application)
    except AlreadyExistsError:
        raise OriginalError(f"application '{name}' already exists") from None
    return f"Successfully added application with name '{name}'"


@add_call(router, "delete_app", "Delete an application", name=STRING)
async def delete_app(context: Context, values: dict[str, Any]) -> str:
    """Delete an application with its links."""
    try:
        await context.operations.delete_application(values["name"])
    except NotFoundError:
        raise OriginalError(f"Application '{values['name']}' does not exist") from None
    return f"Successfully deleted application with name '{values['name']}'"


@add_call(router, "add_model_links", "Link a model to an application", app_name=STRING, model_names=STRINGS)
async def add_model_links(context: Context, values: dict[str, Any]) -> str:
    """Link one model: these calls know no application with several."""
    app_name, model_names = values["app_name"], values["model_names"]

    def link(state: RegistryState) -> RegistryState:
        _check_links(state, app_name, model_names)
        return changes.link_model(state, app_name, model_names[0])

    await context.operations.change(link)
    return f"Successfully linked model with name '{model_names[0]}' to application '{app_name}'"


def _check_links(state: RegistryState, app_name: str, model_names: list[str]) -> None:
    application = state.applications.get(app_name)
    if application is None:
        raise OriginalError(f"No app with name '{app_name}' exists.")
    for name in model_names:
        model = state.models.get(name)
        if model is None or model.current_version is None:
            raise OriginalError(f"No model with name '{name}' exists.")
        input_type = model.versions[model.current_version].input_type
        if input_type != application.input_type:
            raise OriginalError(
                f"Model with name '{name}' has incompatible input_type '{input_type}'. Requested app to link to has "
                f"input_type '{application.input_type}'."
            )
    if not model_names:
        raise OriginalError(
            f"Please provide the name of the model that you want to link to the application '{app_name}'"
        )
    if len(model_names) > 1:
        raise OriginalError(
            f"Applications must be linked with at most one model. Attempted to add links to {len(model_names)} models."
        )
    if model_names[0] in application.models:
        raise OriginalError(f"The model with name '{model_names[0]}' is already linked to '{app_name}'")
    if application.models:
        raise OriginalError(f"A model with name {application.models[0]} is already linked to '{app_name}'.")


@add_call(router, "delete_model_links", "Undo links", app_name=STRING, model_names=STRINGS)
async def delete_model_links(context: Context, values: dict[str, Any]) -> str:
    """Undo all of the links, or none if one of them does not exist."""
    app_name = values["app_name"]

    def unlink(state: RegistryState) -> RegistryState:
        application = state.applications.get(app_name)
        if application is None:
            raise OriginalError(f"No app with name {app_name} exists.")
        for name in values["model_names"]:
            if name not in application.models:
                raise OriginalError(f"Cannot remove nonexistent link between app {app_name} and model {name}")
        for name in dict.fromkeys(values["model_names"]):
            state = changes.unlink_model(state, app_name, name)
        return changes.without_unused_models(state)

    await context.operations.change(unlink)
    return "Success!"


@add_call(router, "get_all_applications", "List the applications", verbose=BOOL)
async def get_all_applications(context: Context, values: dict[str, Any]) -> list[Any]:
    """Return the names, or everything about each."""
    applications = context.operations.state.applications.values()
    return [_application(each) if values["verbose"] else each.name for each in applications]


@add_call(router, "get_application", "Look at an application", name=STRING)
async def get_application(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return an application; an empty object if there is none of that name."""
    application = context.operations.state.applications.get(values["name"])
    return {} if application is None else _application(application)


@add_call(router, "get_linked_models", "List the models linked to an application", app_name=STRING)
async def get_linked_models(context: Context, values: dict[str, Any]) -> list[str]:
    """Return the names of the linked models."""
    return list(_require_application(context, values["app_name"]).models)


@add_call(router, "get_state", "Look at a default output", app_name=STRING, uid=INT)
async def get_state(context: Context, values: dict[str, Any]) -> str:
    """Return the application's default output, the only selection state there is; the user is ignored."""
    return from_default_output(_require_application(context, values["app_name"]))


def _require_application(context: Context, name: str) -> Application:
    application = context.operations.state.applications.get(name)
    if application is None:
        raise OriginalError(f"No application with name '{name}' exists.")
    return application
