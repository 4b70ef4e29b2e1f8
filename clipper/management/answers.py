"""Errors as answers: one form for every route, stream and refused connection."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Final

from fastapi.responses import JSONResponse

from clipper.errors import ClipperError, DeployError, InternalError

_logger = logging.getLogger(__name__)
# A container prints what it likes; the end of its log is what tells.
MAX_LOG_TAIL_CHARACTERS: Final = 64 * 1024


def error_document(error: Exception) -> tuple[int, dict[str, str]]:
    """Return the status and the JSON object of an exception; one that is none of ours is logged as a bug."""
    if not isinstance(error, ClipperError):
        _logger.error("a management operation failed", exc_info=error)
        error = InternalError(f"{type(error).__name__} in management", hint="see logs/management.log; please report it")
    log_tail = error.log_tail if isinstance(error, DeployError) else ""
    return error.http_status, _document(error.code, error.message, error.hint, log_tail)


def error_answer(
    status: int, code: str, cause: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an answer that no exception stands behind."""
    return JSONResponse(_document(code, cause, hint), status, dict(headers or {}))


def error_bytes(code: str, cause: str, hint: str = "") -> bytes:
    """Return the body of an answer that is written below the framework."""
    return json.dumps(_document(code, cause, hint), separators=(",", ":")).encode()


def _document(code: str, cause: str, hint: str = "", log_tail: str = "") -> dict[str, str]:
    document = {"error": code, "cause": _encodable(cause), "hint": _encodable(hint)}
    if log_tail:
        document["log_tail"] = _encodable(log_tail[-MAX_LOG_TAIL_CHARACTERS:])
    return document


def _encodable(text: str) -> str:
    """Return ``text`` as UTF-8 can carry it: a lone surrogate that came from ``"\\ud800"`` cannot."""
    return text.encode("utf-8", "backslashreplace").decode()
