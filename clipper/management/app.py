"""The REST application: routes, what every request passes before them, and where errors become answers."""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from clipper.errors import CallerError, ClipperError, InvalidArgumentError
from clipper.management import openapi
from clipper.management.answers import error_answer, error_document
from clipper.management.request_limits import (
    CLOSE,
    BodyTooLargeError,
    BodyTooSlowError,
    ClientGoneError,
    HeadAsGet,
    RequestLimits,
    TrustedCaller,
    too_large,
    too_slow,
)
from clipper.management.routes import (
    admin,
    admin_models,
    applications,
    files,
    metrics,
    models,
    monitoring,
    policy,
    replicas,
    status,
    versions,
)
from clipper.management.routes.context import Context

_CODES: Final = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}
_logger = logging.getLogger(__name__)


def make_app(context: Context) -> FastAPI:
    """Return the application over the parts of this process."""
    app = FastAPI(
        title="Clipper management", version="1", description=openapi.DESCRIPTION, openapi_tags=openapi.TAGS,
        generate_unique_id_function=_operation_id,
    )  # fmt: skip
    app.state.context = context
    of_applications, of_models = (applications, policy, monitoring), (models, versions, files, replicas)
    for module in (*of_applications, *of_models, status, metrics, admin, admin_models):
        app.include_router(module.router)
    app.openapi = lambda: openapi.make_document(app)  # type: ignore[method-assign]  # as FastAPI's documents say
    # The last one added is the first one passed.
    app.add_middleware(RequestLimits, config=context.config.management)
    app.add_middleware(HeadAsGet)
    app.add_middleware(TrustedCaller, allowed_hosts=context.config.listen.accepted_hosts)
    app.add_exception_handler(ClipperError, _on_clipper_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    for kind in (BodyTooLargeError, BodyTooSlowError, ClientGoneError):
        app.add_exception_handler(kind, _on_body_error)
    app.add_exception_handler(files.UnsupportedMediaTypeError, _on_media_type)
    app.add_exception_handler(Exception, _on_bug)
    return app


def _operation_id(route: APIRoute) -> str:
    """Name operations by their functions: generated clients keep working when a path is refined."""
    return route.name


async def _on_clipper_error(request: Request, error: Exception) -> Response:
    if request.url.path.startswith(admin.PREFIX):
        return admin.error_response(error)
    status, document = error_document(error)
    headers = {"Retry-After": "1"} if isinstance(error, ClipperError) and error.retriable else None
    return JSONResponse(document, status, headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    problems: Any = error.errors() if isinstance(error, RequestValidationError) else []
    is_body = any(problem["loc"][:1] == ("body",) for problem in problems)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if is_body and not re.fullmatch(r"application/(?:[\w.-]+\+)?json", media_type):
        hint = "send the header Content-Type: application/json"
        return error_answer(415, _CODES[415], f"the body is declared as {media_type!r}: expected JSON", hint)
    cause = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
    return error_answer(InvalidArgumentError.http_status, InvalidArgumentError.code, cause or str(error))


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _on_bug(request, error)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed_methods(request) or headers.get("Allow", "")
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        return error_answer(405, _CODES[405], f"{request.method} is not for this path", "", headers)
    hint = "GET /openapi.json describes every path" if error.status_code == 404 else ""
    cause = f"there is no path {request.url.path!r}" if error.status_code == 404 else str(error.detail)
    code = _CODES.get(error.status_code, CallerError.code)
    return error_answer(error.status_code, code, cause, hint, headers)


def _allowed_methods(request: Request) -> str:
    """Return every method that some route takes at this path; the framework looks at one route only."""
    methods: set[str] = set()
    for template, path in request.app.openapi()["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, request.url.path):
            methods |= {method.upper() for method in path}
    if methods:
        methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    return ", ".join(sorted(methods))


async def _on_body_error(request: Request, error: Exception) -> Response:
    config = request.app.state.context.config.management
    if isinstance(error, BodyTooSlowError):
        return too_slow(config.body_limit_us)
    if isinstance(error, BodyTooLargeError):
        return too_large("max_upload_bytes", config.max_upload_bytes)
    return error_answer(400, CallerError.code, "the client left before the end of its body", "", CLOSE)


async def _on_media_type(_request: Request, error: Exception) -> Response:
    return error_answer(415, _CODES[415], str(error), "", CLOSE)


async def _on_bug(request: Request, error: Exception) -> Response:
    _logger.error("%s %s failed", request.method, request.url.path)
    status, document = error_document(error)
    return JSONResponse(document, status)
