"""Model files from another machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from clipper.management.request_limits import (
    UPLOAD_PATH,
    BodyTooLargeError,
    BodyTooSlowError,
    ClientGoneError,
    require_length,
)
from clipper.management.routes.context import ContextParameter, errors
from clipper.management.schemas import FilesAnswer

router = APIRouter(tags=["files"])
_MEDIA_TYPES: Final = ("application/x-tar", "application/octet-stream")
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "an uncompressed tar of plain files and directories",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in _MEDIA_TYPES},
    }
}


class UnsupportedMediaTypeError(Exception):
    """The body is declared as something else than a tar."""


@router.post(
    UPLOAD_PATH, status_code=201, summary="Upload a model's files", responses=errors(408, 413, 415),
    openapi_extra=_BODY,
)  # fmt: skip
async def upload_files(request: Request, context: ContextParameter, response: Response) -> FilesAnswer:
    """Store the files of a tar and return their directory, which a deployment then names as `files`.

    What no deployment takes is removed after `staging_ttl_us`.
    """
    media_type = request.headers.get("content-type", _MEDIA_TYPES[0]).partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise UnsupportedMediaTypeError(f"the body is declared as {media_type!r}: expected {' or '.join(_MEDIA_TYPES)}")
    config = context.config.management
    require_length(request.scope, config.max_upload_bytes)
    chunks = _chunks(request, config.max_upload_bytes, config.body_limit_us)
    return FilesAnswer(files=str(await context.uploads.receive(chunks)))


async def _chunks(request: Request, max_bytes: int, limit_us: int) -> AsyncIterator[bytes]:
    """Yield the pieces of the body, and raise as soon as one is too late, or the body too long."""
    received_bytes = 0
    while True:
        try:
            async with asyncio.timeout(limit_us / 1e6):
                message = await request.receive()
        except TimeoutError:
            raise BodyTooSlowError from None
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = message.get("body", b"")
        received_bytes += len(chunk)
        if received_bytes > max_bytes:
            raise BodyTooLargeError
        yield chunk
        if not message.get("more_body", False):
            return
