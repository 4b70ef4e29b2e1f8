"""The health of an application's models, and their quarantine."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from clipper.errors import NotFoundError
from clipper.management.monitoring_schemas import MonitoringAnswer, monitoring_answer
from clipper.management.routes.context import API_PREFIX, Context, ContextParameter, errors
from clipper.management.schema_types import ApplicationName

router = APIRouter(prefix=f"{API_PREFIX}/applications/{{name}}", tags=["applications"])

Arm = Annotated[str, Path(description="a linked model and its current version", examples=["svm:2"])]


@router.get("/monitoring", summary="Look at the health of models", responses=errors(404))
async def get_monitoring(name: ApplicationName, context: ContextParameter) -> MonitoringAnswer:
    """Return what is known of each linked model, what was found, and what was done about it."""
    return _answer(name, context)


@router.put("/quarantines/{arm}", summary="Quarantine a model", responses=errors(404, 409))
async def quarantine_arm(name: ApplicationName, arm: Arm, context: ContextParameter) -> MonitoringAnswer:
    """Take a model out of an application's plans until its quarantine is lifted, or another version is current."""
    await context.monitoring.quarantine(name, arm)
    return _answer(name, context)


@router.delete("/quarantines/{arm}", summary="Lift a quarantine", responses=errors(404))
async def lift_quarantine(
    name: ApplicationName,
    arm: Arm,
    context: ContextParameter,
    forget: Annotated[
        bool, Query(description="learn its baseline anew: what it does from now on is how it should be")
    ] = False,
) -> MonitoringAnswer:
    """Let plans use a model again; nothing is done about it by itself before the cool-down is over."""
    await context.monitoring.lift(name, arm, forget)
    return _answer(name, context)


def _answer(name: str, context: Context) -> MonitoringAnswer:
    context.operations.state.application(name)
    monitored = context.monitoring.monitored(name)
    if monitored is None:
        raise NotFoundError(
            f"the application {name!r} is not monitored", hint="register it with learning, and with monitor"
        )
    return monitoring_answer(monitored)
