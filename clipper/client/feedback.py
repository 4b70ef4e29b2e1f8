"""Feedback from Python: what was right, or how good an answer was, for policies that learn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final

from clipper.client.api_paths import CHANGE_LIMIT_US, segment
from clipper.client.calls import Calls
from clipper.client.checks import check_text, to_int
from clipper.client.prediction import Prediction, to_json, to_plain
from clipper.errors import InvalidArgumentError, NotFoundError, UnknownQueryError

_MAX_QUERY_ID: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of one piece of feedback.

    ``outcome`` is ``joined``, or ``duplicate`` if the same was said before: it counts once. For feedback by input,
    ``evaluated`` and ``cached`` say how many models were asked for it and how many outputs were at hand, and
    ``missing`` names the models (``name:version``) whose outputs did not come in time and that learn nothing from it.
    """

    outcome: str
    query_id: int | None = None
    evaluated: int = 0
    cached: int = 0
    missing: tuple[str, ...] = ()


class FeedbackCalls(Calls):
    """The part of `Clipper` that tells how good answers were."""

    def feedback(
        self,
        app_name: str,
        query_id: int | Prediction | None = None,
        *,
        input: Any = None,
        label: Any = None,
        reward: float | None = None,
        context: str | None = None,
    ) -> Feedback:
        """Tell what the right output of a query was, or how good its answer was.

        Parameters
        ----------
        query_id : int or Prediction, optional
            Which query is meant: the answer of `predict`, or its ``query_id``. It is remembered for the application's
            ``decision_ttl_s``.
        input : ndarray, sequence of numbers, str or bytes, optional
            Instead of ``query_id``: an input, of the application's type, whose label is known. Every linked model
            learns from it; what the prediction cache does not hold is evaluated.
        label : JSON value, optional
            The right output; the application's loss compares it with what each model gave.
        reward : float, optional
            Instead of ``label``: how good the answer was, from 0 to 1. Only for ``query_id``.
        context : str, optional
            With ``input``: the user or session that it belongs to. A query's own context is remembered with it.

        Raises
        ------
        InvalidArgumentError
            Not exactly one of ``query_id`` and ``input``, or of ``label`` and ``reward``; a value is not valid.
        UnknownQueryError
            No query of this id is remembered: it is another application's, or too long ago.
        ContradictoryFeedbackError
            Something else was said of this query before; that stays.
        FeedbackDisabledError
            The application does not learn.
        """
        body = {**_which(query_id, input, context), **_how_good(label, reward, is_by_input=input is not None)}
        path = f"/{segment(check_text('app_name', app_name))}/update"
        try:
            answer = self._query.call("POST", path, body, limit_us=CHANGE_LIMIT_US)
        except UnknownQueryError:
            raise
        except NotFoundError:
            raise NotFoundError(f"there is no application {app_name!r}", hint="register_application makes it") from None
        return to_feedback(answer)


def to_feedback(answer: Mapping[str, Any]) -> Feedback:
    """Return the typed form of an answer of the query API."""
    return Feedback(
        outcome=str(answer["feedback"]),
        query_id=answer.get("query_id"),
        evaluated=answer.get("evaluated", 0),
        cached=answer.get("cached", 0),
        missing=tuple(answer.get("missing", ())),
    )


def _which(query_id: int | Prediction | None, given: Any, context: str | None) -> dict[str, Any]:
    if (query_id is None) == (given is None):
        both = "both query_id and input are given" if given is not None else "neither query_id nor input is given"
        raise InvalidArgumentError(
            f"{both}: expected one of them", hint="query_id= tells of a query that was answered, input= of any input"
        )
    if given is not None:
        body = {"input": to_json(given)}
        return body if context is None else {**body, "context": context}
    if context is not None:
        raise InvalidArgumentError(
            f"context={context!r} goes with input=: the context of a query is remembered with it", hint="leave it out"
        )
    number = query_id.query_id if isinstance(query_id, Prediction) else to_int("query_id", query_id)
    if not 0 <= number <= _MAX_QUERY_ID:
        raise InvalidArgumentError(f"query_id={number} is not valid: expected the query_id of an answer")
    return {"query_id": number}


def _how_good(label: Any, reward: Any, *, is_by_input: bool) -> dict[str, Any]:
    if (label is None) == (reward is None):
        both = "neither label nor reward is given" if label is None else "both label and reward are given"
        raise InvalidArgumentError(
            f"{both}: expected one of them",
            hint="label= is the right output, reward= says how good the answer was, from 0 to 1",
        )
    if label is not None:
        return {"label": _check_label(label)}
    if is_by_input:
        raise InvalidArgumentError(
            "reward= goes with query_id=: of an input that nobody was answered for there is no answer to judge",
            hint="give the label",
        )
    is_number = isinstance(reward, Real) and not isinstance(reward, bool)
    if not is_number or not 0.0 <= float(reward) <= 1.0:  # NaN is in no range
        raise InvalidArgumentError(f"reward={reward!r} is not valid: expected a number from 0 to 1")
    return {"reward": float(reward)}


def _check_label(label: Any) -> Any:
    """Return a label as JSON has it: numpy's numbers are numbers, and there is no NaN."""
    value = to_json(label)
    try:
        json.dumps(value, allow_nan=False, default=to_plain)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"label={label!r:.200} is not valid: {error}") from error
    return value
