"""What every route needs, handed to it by FastAPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from clipper.deploy.fleet import Fleet
from clipper.management.control_channel import ControlChannel
from clipper.management.operations import Operations
from clipper.management.schemas import ErrorAnswer

API_PREFIX: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the management process."""

    operations: Operations
    channel: ControlChannel
    fleet: Fleet
    run_dir: str
    staging_dir: str
    query_url: str


def _context(request: Request) -> Context:
    context = request.app.state.context
    if not isinstance(context, Context):
        raise TypeError("the application was made without a context")
    return context


ContextParameter = Annotated[Context, Depends(_context)]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe error answers for the OpenAPI document."""
    return {status: {"model": ErrorAnswer} for status in (400, *statuses)}
