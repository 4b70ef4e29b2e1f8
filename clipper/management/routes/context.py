"""What every route needs, handed to it by FastAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from fastapi.responses import StreamingResponse

from clipper.config import ClipperConfig
from clipper.deploy.fleet import Fleet
from clipper.management.control_channel import ControlChannel
from clipper.management.evaluations import Evaluations
from clipper.management.learning import Learning
from clipper.management.monitoring import Monitoring
from clipper.management.openapi import error_responses
from clipper.management.operations import Operations
from clipper.management.progress import MEDIA_TYPE, Progress, ProgressStream
from clipper.management.query_port import QueryPort
from clipper.management.schemas import ProgressLine
from clipper.management.uploads import Uploads

API_PREFIX: Final = "/api/v1"
errors = error_responses


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the management process."""

    config: ClipperConfig
    operations: Operations
    channel: ControlChannel
    fleet: Fleet
    uploads: Uploads
    learning: Learning
    query_port: QueryPort
    monitoring: Monitoring
    evaluations: Evaluations


def _context(request: Request) -> Context:
    context = request.app.state.context
    if not isinstance(context, Context):
        raise TypeError("the application was made without a context")
    return context


def _wants_progress(
    accept: Annotated[str, Header(description=f"`{MEDIA_TYPE}` asks for a stream of progress")] = "*/*",
) -> bool:
    return any(part.partition(";")[0].strip().lower() == MEDIA_TYPE for part in accept.split(","))


ContextParameter = Annotated[Context, Depends(_context)]
WantsProgress = Annotated[bool, Depends(_wants_progress)]


async def stream(operation: Callable[[Progress], Awaitable[Any]], render: Callable[[Any], Any]) -> StreamingResponse:
    """Answer with the progress of ``operation``; what it refuses before it has done anything is an error as usual."""
    lines = ProgressStream(operation, render)
    await lines.start()
    return StreamingResponse(lines, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def streamed(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the answers of a route that can tell its progress."""
    line = ProgressLine.model_json_schema(ref_template="#/components/schemas/{model}")
    line.pop("$defs", None)
    line["properties"]["stage"] = {"type": ["string", "null"], "description": "of progress"}
    described = {
        "description": f"With `Accept: {MEDIA_TYPE}`: the progress, one JSON object a line; the last one is `done` or "
        "`error`.",
        "content": {MEDIA_TYPE: {"schema": line}},
    }
    return {200: described, **errors(*statuses)}
