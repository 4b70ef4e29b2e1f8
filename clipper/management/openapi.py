"""The OpenAPI document: what FastAPI makes of the routes, with the answers that all of them have in common."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from clipper.management.schemas import ErrorAnswer

DESCRIPTION: Final = """\
Applications, models, versions, links and replicas of one Clipper. Queries go to another port.

A call returns when its effect is visible to queries. An error says what failed and what state is left; its `error` is
a stable code.
"""
TAGS: Final = [
    {"name": "applications", "description": "Query endpoints and the models linked to them."},
    {"name": "models", "description": "Models, their versions, and which of them answers."},
    {"name": "files", "description": "Model files from another machine."},
    {"name": "replicas", "description": "Containers: how many there are, what they do, what they print."},
    {"name": "instance", "description": "The whole of this Clipper."},
    {"name": "original", "description": "The calls of the original Clipper (clipper_admin): plain-text answers."},
]
# What each status means here, for every route that names it.
MEANINGS: Final = {
    400: "A value is not valid, or the body is not what the route takes.",
    401: "A management token is configured, and the request does not carry it.",
    403: "A web page of another site asks for a change.",
    404: "What the path or the body names does not exist.",
    408: "The request's body did not come within `body_limit_us`.",
    409: "The name is taken, or the request contradicts the present state, which is unchanged.",
    413: "The request's body is longer than `max_request_bytes` (an upload: `max_upload_bytes`).",
    415: "The body's Content-Type is not the one that the route takes.",
    422: "A decision log cannot tell what a policy would have earned; the cause says why.",
    502: "A container failed; `log_tail` has its last lines. What was changed for it is undone.",
    503: "A part of Clipper cannot be reached now; the cause says what state is left.",
}
_ALWAYS: Final = (400, 401)
_WITH_CHANGES: Final = (403, 503)
_WITH_BODY: Final = (408, 413, 415)
_CHANGES: Final = frozenset({"post", "put", "delete"})


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe error answers of one route; those that every route has are added by `make_document`."""
    return {status: {"model": ErrorAnswer, "description": MEANINGS[status]} for status in statuses}


def make_document(app: FastAPI) -> dict[str, Any]:
    """Return the document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        for path in document["paths"].values():
            for method, operation in path.items():
                _complete(method, operation)
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)  # FastAPI's own form of 422, which is never answered
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "Where a management token is configured."}
        }
        document["security"] = [{"token": []}, {}]  # or none
        document["paths"]["/healthz"]["get"]["security"] = []
        app.openapi_schema = document
    return app.openapi_schema


def _complete(method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    statuses = [*_ALWAYS, *(_WITH_CHANGES if method in _CHANGES else ())]
    statuses += _WITH_BODY if "requestBody" in operation else ()
    if "original" in operation["tags"]:
        statuses.remove(400)  # plain text, and of any Content-Type
        statuses = [status for status in statuses if status != 415]
    if operation["operationId"] == "get_health":
        statuses.remove(401)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    for status in statuses:
        answers.setdefault(str(status), {"description": MEANINGS[status], "content": content})
    operation["responses"] = dict(sorted(answers.items()))
