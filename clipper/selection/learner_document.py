"""What the store keeps of a learner, and which of it a later start can go on with.

One document for what is known for everybody, under the application's name; one for each context, under the learning's
id: a policy that starts anew has another id, so what contexts had learned under the former one does not come back.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clipper.errors import InvalidArgumentError
from clipper.selection.contexts import TableChanges
from clipper.selection.learner_options import ArmCounts, Event, LearnerOptions
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.state_cell import PolicyFailedError, StateCell

FORMAT: Final = 1
MAX_EVENTS: Final = 50
LEARNER_PREFIX: Final = "learner/"
CONTEXT_PREFIX: Final = "context/"


def learner_key(application: str) -> str:
    """Return the store's key of what is known for everybody."""
    return LEARNER_PREFIX + application


def context_key(learner_id: str, context: str) -> str:
    """Return the store's key of a context; ``learner_id`` holds no slash."""
    return f"{CONTEXT_PREFIX}{learner_id}/{context}"


def split_context_key(key: str) -> tuple[str, str] | None:
    """Return ``(learner_id, context)``, or None if the key is that of another document."""
    if not key.startswith(CONTEXT_PREFIX):
        return None
    learner_id, _, context = key.removeprefix(CONTEXT_PREFIX).partition("/")
    return learner_id, context


def _empty_events() -> deque[Event]:
    return deque(maxlen=MAX_EVENTS)


@dataclass(frozen=True, slots=True)
class Flush:
    """What has to be written in one commit, and what it holds then.

    Parameters
    ----------
    documents : mapping
        By key; None stands for one to remove.
    acknowledged : mapping
        Epoch -> the last sequence number that is in the documents.
    """

    documents: Mapping[str, Mapping[str, Any] | None]
    acknowledged: Mapping[int, int]
    contexts: TableChanges


@dataclass(slots=True)
class LearnerRecord:
    """Everything of a learner that outlives its process, contexts apart.

    Parameters
    ----------
    learner_id : str
        Which learning this is; without slashes.
    state_json : str, optional
        The policy's state; None: it has not begun.
    seen : dict
        Epoch of a worker -> the last sequence number of it that was folded.
    plan_id_limit : int
        No plan has an id above it.
    """

    learner_id: str
    state_json: str | None = None
    observations: int = 0
    contexts: int = 0
    seen: dict[int, int] = field(default_factory=dict)
    arm_counts: dict[str, ArmCounts] = field(default_factory=dict)
    plan: dict[str, Any] | None = None
    plan_id_limit: int = 0
    events: deque[Event] = field(default_factory=_empty_events)

    def to_document(self, options: LearnerOptions) -> dict[str, Any]:
        """Return the JSON object that `read_record` reads."""
        return {
            "format": FORMAT,
            "id": self.learner_id,
            "policy": dict(options.policy_document),
            "loss": dict(options.loss_document),
            "state": self.state_json,
            "observations": self.observations,
            "contexts": self.contexts,
            "seen": [list(pair) for pair in self.seen.items()],
            "arm_counts": {arm: counts.to_json() for arm, counts in self.arm_counts.items()},
            "plan": self.plan,
            "plan_id_limit": self.plan_id_limit,
            "events": [event.to_json() for event in self.events],
        }


def read_record(
    document: Mapping[str, Any] | None, options: LearnerOptions, new_id: str, now_us: int
) -> tuple[LearnerRecord, str]:
    """Return the record of a document as far as this policy can go on with it, and why it cannot ("" if it can).

    Where it starts anew, observations that were folded before are still known as such, and plan ids go on.
    """
    if document is None:
        return LearnerRecord(new_id), ""
    try:
        record, why_not = _read(document, options)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        record, why_not = LearnerRecord(new_id), f"what was stored cannot be read: {error!r}"
    if not why_not:
        return record, ""
    anew = LearnerRecord(new_id, seen=record.seen, plan_id_limit=record.plan_id_limit, events=record.events)
    anew.events.append(Event(now_us, "started_anew", why_not))
    return anew, why_not


def _read(document: Mapping[str, Any], options: LearnerOptions) -> tuple[LearnerRecord, str]:
    if document["format"] != FORMAT:
        raise ValueError(f"it has format {document['format']!r}, and this version of Clipper reads {FORMAT}")
    record = LearnerRecord(
        learner_id=str(document["id"]),
        observations=int(document["observations"]),
        contexts=int(document["contexts"]),
        seen={int(epoch): int(seq) for epoch, seq in document["seen"]},
        arm_counts={arm: ArmCounts(int(p), int(n), float(r)) for arm, (p, n, r) in document["arm_counts"].items()},
        plan=readable_plan(document["plan"]),
        plan_id_limit=int(document["plan_id_limit"]),
        events=deque((Event(int(e["at_us"]), e["kind"], e["text"]) for e in document["events"]), MAX_EVENTS),
    )
    if document["policy"] != _as_json(options.policy_document):
        return record, f"the policy was {json.dumps(document['policy'])}"
    if document["loss"] != _as_json(options.loss_document):
        return record, f"the loss was {json.dumps(document['loss'])}"
    if document["state"] is None:
        return record, ""
    cell = StateCell(document["state"])
    try:
        cell.upgrade(options.policy)
        record.state_json = cell.checkpoint()
    except PolicyFailedError as failure:
        return record, f"the policy does not read its stored state: {failure}"
    return record, ""


def readable_plan(plan: object) -> dict[str, Any] | None:
    """Return a stored plan if it is one."""
    try:
        return PlanSpec.from_json(plan).to_json() if isinstance(plan, Mapping) else None
    except InvalidArgumentError:
        return None


def _as_json(document: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(dict(document)))
