"""The REST application: routes, and the one place where errors become answers."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from clipper.errors import ClipperError, DeployError, InternalError, InvalidArgumentError
from clipper.management.routes import applications, metrics, models, status
from clipper.management.routes.context import Context

_logger = logging.getLogger(__name__)
# A web page that rebinds its own name to 127.0.0.1 would send that name as Host.
_ALLOWED_HOSTS: Final = ["localhost", "127.0.0.1", "[::1]", "::1"]
_DESCRIPTION: Final = "Applications, models, versions, links and replicas of one Clipper. Queries go to another port."
_CODES: Final = {404: "not_found", 405: "method_not_allowed"}


def make_app(context: Context) -> FastAPI:
    """Return the application over the parts of this process."""
    app = FastAPI(title="Clipper management", version="1", description=_DESCRIPTION)
    app.state.context = context
    for module in (applications, models, status, metrics):
        app.include_router(module.router)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_ALLOWED_HOSTS)
    app.add_exception_handler(ClipperError, _on_clipper_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)
    return app


async def _on_clipper_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ClipperError):
        return await _on_bug(_request, error)
    log_tail = error.log_tail if isinstance(error, DeployError) else ""
    return _answer(error.http_status, error.code, error.message, error.hint, log_tail)


async def _on_validation_error(_request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    cause = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
    return _answer(InvalidArgumentError.http_status, InvalidArgumentError.code, cause or str(error))


async def _on_http_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return await _on_bug(_request, error)
    answer = _answer(error.status_code, _CODES.get(error.status_code, "bad_request"), str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    _logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(500, InternalError.code, f"{type(error).__name__} in management", "see logs/management.log")


def _answer(status: int, code: str, cause: str, hint: str = "", log_tail: str = "") -> JSONResponse:
    body = {"error": code, "cause": cause, "hint": hint}
    if log_tail:
        body["log_tail"] = log_tail
    return JSONResponse(body, status)
