"""``POST /<app>/update``: joins what an application says about an answer with the decision that led to it.

What is joined becomes an observation (`clipper.frontend.observations`), from which management learns. Feedback has
a defined answer in every case; docs/feedback.md lists them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from clipper._core.application import Application
from clipper._core.decision_stream import DecisionStream
from clipper._core.evaluation import Evaluation, evaluate
from clipper._core.predict_body import BodyError
from clipper._core.query_processor import QueryProcessor
from clipper._core.route_request import RouteRequest
from clipper._core.update_body import UpdateBody, parse_update_body

MAX_LABEL_BYTES: Final = 64 * 1024  # of JSON
# Nobody is told when an evaluation ends that no query waits for any more, so feedback that waits for one looks again.
_AWAITED_INTERVAL_S: Final = 0.005
_STATUS_OF: Final = {"out_of_memory": 503, "internal_error": 500}  # of the body parser's codes; the others are 400

Observe = Callable[[str, bytes], None]  # (application, observation)
File = Callable[[DecisionStream, bytes], None]  # (stream, line)


class Feedback:
    """Answers the update routes of one worker.

    Parameters
    ----------
    processor : QueryProcessor
        Whose decisions feedback is about, and who asks models for an input.
    observe : callable (application, observation)
        Given what was joined.
    file : callable (stream, line)
        Given the line of the decision file, for applications that want one.
    flush : callable ()
        Sends the answers that were given outside a turn of the server.
    """

    def __init__(self, processor: QueryProcessor, observe: Observe, file: File, flush: Callable[[], object]) -> None:
        self._processor = processor
        self._observe = observe
        self._file = file
        self._flush = flush
        # (application, outcome of `clipper.metrics.names.FEEDBACK_OUTCOMES`) -> how often
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def route_of(self, application: Application) -> Callable[[RouteRequest], None]:
        """Return the target of an application's update route."""
        return partial(self._update, application)

    def _update(self, application: Application, request: RouteRequest) -> None:
        stream = application.decisions
        if stream is None:
            cause = (
                f"application {application.name!r} does not learn from feedback; "
                'register it with learning={...}, or with a policy that learns, such as "thompson"'
            )
            self._refuse(application, request, "disabled", 409, "feedback_disabled", cause)
            return
        try:
            body = parse_update_body(request.body, max_label_bytes=MAX_LABEL_BYTES)
            said, digest = _said(body)
            if body.query_id is None:
                now_us, limit_us = request.now_us, application.feedback_deadline_us
                done = partial(self._join_by_input, application, stream, request, said)
                evaluate(self._processor, application, request.body, limit_us, now_us, done)
            else:
                give_up_us = request.now_us + application.feedback_deadline_us
                join = partial(self._join_by_id, application, stream, request, body.query_id, digest, said)
                self._join_when_complete(stream, body.query_id, give_up_us, request.now_us, join)
        except BodyError as error:
            status = _STATUS_OF.get(error.code, 400)
            self._refuse(application, request, "bad_request", status, error.code, error.cause)

    def _join_when_complete(
        self, stream: DecisionStream, query_id: int, give_up_us: int, now_us: int, join: Callable[[], None]
    ) -> None:
        """Join once the models that the answer did not wait for have given their outputs, or at the deadline.

        Who knows the label at once is often faster than the last member of a vote that was decided without it. What
        is learned must not depend on who comes first.
        """
        if now_us < give_up_us and self._processor.decisions.is_awaited(stream, query_id, now_us):

            def look_again() -> None:
                self._join_when_complete(stream, query_id, give_up_us, time.monotonic_ns() // 1_000, join)
                self._flush()

            asyncio.get_running_loop().call_later(_AWAITED_INTERVAL_S, look_again)
        else:
            join()

    def _join_by_id(
        self,
        application: Application,
        stream: DecisionStream,
        request: RouteRequest,
        query_id: int,
        digest: int,
        said: bytes,
    ) -> None:
        log = self._processor.decisions
        at_us = request.now_us + log.wall_offset_us
        outcome, observation, late = log.join(stream, query_id, digest, said, request.now_us, at_us)
        if outcome == "unknown":
            cause = (
                f"query_id {query_id} is no query of application {application.name!r} that feedback is expected for: "
                f"it never was one, or it is older than decision_ttl_s = {stream.ttl_us / 1e6:g}, or it was pushed out "
                "of the decision log (core.decision_log_bytes)"
            )
            self._refuse(application, request, outcome, 404, "unknown_query", cause)
            return
        if outcome == "contradictory":
            cause = f"there was other feedback for query_id {query_id} before, and that one counts"
            self._refuse(application, request, outcome, 409, "contradictory_feedback", cause)
            return
        self.outcomes[application.name, outcome] += 1
        request.respond(200, b'{"query_id":%d,"feedback":"%s"}' % (query_id, outcome.encode()))
        if outcome == "joined":
            self._observe(application.name, observation)
            if stream.is_filed:
                outputs = b',"outputs":' + late if late else b""
                head = b'{"type":"feedback","query_id":%d,"at_us":%d,' % (query_id, at_us)
                self._file(stream, head + said + outputs + b"}\n")

    def _join_by_input(
        self,
        application: Application,
        stream: DecisionStream,
        request: RouteRequest,
        said: bytes,
        evaluation: Evaluation,
    ) -> None:
        if evaluation.arms == b"[]":
            missing = ", ".join(json.loads(b'"' + arm + b'"') for arm in evaluation.missing) or "no model is linked"
            limit_us = application.feedback_deadline_us
            cause = f"no model gave its output for this input within {limit_us / 1000:g} ms: {missing}"
            self._refuse(application, request, "no_outputs", 503, "no_outputs", cause)
            return
        at_us = request.now_us + self._processor.decisions.wall_offset_us
        plan_id = 0 if application.plan is None else application.plan.plan_id
        parts = b',"context":%s,"plan_id":%d,"kind":"input","arms":%s,%s}' % (
            *(json.dumps(evaluation.context).encode(), plan_id, evaluation.arms, said),
        )
        self.outcomes[application.name, "joined_by_input"] += 1
        missing_arms = b",".join(b'"' + arm + b'"' for arm in evaluation.missing)
        answer = b'{"feedback":"joined","evaluated":%d,"cached":%d,"missing":[%s]}'
        request.respond(200, answer % (evaluation.evaluated, evaluation.cached, missing_arms))
        self._observe(application.name, b'{"query_id":null,"at_us":%d' % at_us + parts)
        if stream.is_filed:
            self._file(stream, b'{"type":"feedback","query_id":null,"at_us":%d' % at_us + parts + b"\n")

    def _refuse(
        self, application: Application, request: RouteRequest, outcome: str, status: int, code: str, cause: str
    ) -> None:
        self.outcomes[application.name, outcome] += 1
        body = json.dumps({"error": code, "cause": cause}, ensure_ascii=False, separators=(",", ":"))
        request.respond(status, body.encode("utf-8", "replace"), retry_after=status == 503)


def _said(body: UpdateBody) -> tuple[bytes, int]:
    """Return what is said as a member of a JSON object on one line, and a digest that equal feedback shares.

    Raises
    ------
    BodyError
        The label holds a number that no double can hold, or text that is none.
    """
    if body.label is None:
        return b'"reward":%s' % json.dumps(body.reward).encode(), _digest(["reward", body.reward])
    try:
        label = json.loads(body.label)
        text = json.dumps(label, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        cause = "the label holds a lone surrogate, expected a \\u escape of a character, or of both halves of a pair"
        raise BodyError("bad_encoding", cause) from error
    except (ValueError, RecursionError) as error:  # the grammar was checked: what is left is the size of a number
        cause = f"the label holds a number that no 64-bit float can hold, or one of thousands of digits: {error}"
        raise BodyError("out_of_range", cause) from error
    return b'"label":' + text, _digest(["label", label])


def _digest(said: list[Any]) -> int:
    """Return 64 bits, not 0, in which feedback that says the same agrees: ``1`` and ``1.0`` do, order of keys aside."""
    text = json.dumps(_plain(said), sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
