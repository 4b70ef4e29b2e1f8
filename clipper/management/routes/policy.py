"""How an application chooses among its models: its policy, what that has learned, and feedback."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import JsonValue

from clipper.errors import InvalidArgumentError
from clipper.management.learning_measures import LearningDescription
from clipper.management.monitoring_schemas import event_answers
from clipper.management.routes.context import API_PREFIX, Context, ContextParameter, errors
from clipper.management.schema_types import ApplicationName
from clipper.management.schemas import ArmAnswer, EvaluateRequest, EventAnswer, PolicyAnswer, PolicyRequest
from clipper.registry.learning import (
    check_learning,
    check_policy,
    effective_policy,
    implied_learning,
    learning_of,
)
from clipper.registry.records import Application

router = APIRouter(prefix=f"{API_PREFIX}/applications/{{name}}", tags=["applications"])


@router.get("/policy", summary="Look at a policy", responses=errors(404))
async def get_policy(
    name: ApplicationName,
    context: ContextParameter,
    key: Annotated[
        str | None, Query(alias="context", description="a context of the queries: a user, a session")
    ] = None,
) -> PolicyAnswer:
    """Return the policy of an application, the plan in force, and what was learned of each model.

    With a context: what was learned for that one, if it has a state of its own; else what holds for everybody.
    """
    return await _answer(context, context.operations.state.application(name), key)


@router.put("/policy", summary="Choose a policy", responses=errors(404))
async def set_policy(name: ApplicationName, request: PolicyRequest, context: ContextParameter) -> PolicyAnswer:
    """Let another policy decide; queries follow it when this returns.

    Another policy, other parameters of it, or another loss begin to learn anew. Other fields of ``learning`` do not.
    """
    application = context.operations.state.application(name)
    policy = check_policy(request.policy)
    is_said = "learning" in request.model_fields_set
    said = request.learning if is_said or application.learning is None else dict(application.learning)
    learning = implied_learning(policy, check_learning(said))
    return await _answer(context, await context.operations.set_policy(name, policy, learning))


@router.post(
    "/feedback",
    summary="Give feedback",
    response_class=Response,
    responses={
        200: {"description": "As the query port answers it.", "content": {"application/json": {}}},
        **errors(404, 409),
    },
)
async def give_feedback(
    name: ApplicationName, feedback: Annotated[dict[str, JsonValue], Body()], context: ContextParameter
) -> Response:
    """Hand feedback to the query port, as ``POST /{name}/update`` there takes it, and answer as it does."""
    context.operations.state.application(name)
    try:
        body = json.dumps(feedback, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise InvalidArgumentError(f"the feedback is no JSON that every reader takes: {error}") from error
    status, answer = await context.query_port.post(f"/{name}/update", body)
    return Response(answer, status, media_type="application/json")


@router.post("/policy/evaluate", summary="Evaluate another policy", responses=errors(404, 422))
async def evaluate_policy(
    name: ApplicationName, request: EvaluateRequest, context: ContextParameter
) -> dict[str, JsonValue]:
    """Estimate, on the decisions that the application has logged, what another policy would have earned.

    As `clipper evaluate --json` answers. One evaluation runs at a time, within `evaluation_limit_us`.
    """
    context.operations.state.application(name)
    candidate = check_policy(request.policy)
    if candidate is None:
        raise InvalidArgumentError("policy=null is no candidate", hint='for example {"policy": "thompson"}')
    question = {**request.model_dump(exclude_none=True), "policy": candidate}
    return await context.evaluations.evaluate(name, question)


async def _answer(context: Context, application: Application, key: str | None = None) -> PolicyAnswer:
    found = await context.learning.describe(application.name, key) or LearningDescription(None, [], 0, 0, [])
    learning = learning_of(application)
    return PolicyAnswer(
        policy=effective_policy(application),
        learning=None if learning is None else learning.to_json(),
        plan=None if found.plan is None else dict(found.plan),
        arms=[ArmAnswer(**arm.to_json()) for arm in found.arms],
        observations=found.observations,
        contexts=found.contexts,
        events=_events(context, application.name, found),
        context=found.context,
    )


def _events(context: Context, name: str, found: LearningDescription) -> list[EventAnswer]:
    """Return what happened to the learning and what the monitoring found, the oldest first."""
    events = [EventAnswer(**event) for event in found.events]
    return sorted(events + event_answers(context.monitoring.monitored(name)), key=lambda event: event.at_us)
