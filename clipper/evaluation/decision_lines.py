"""Lines of a decision log: the schema, and one line of JSON as one record.

========  ==========================================================================================================
type      fields
========  ==========================================================================================================
decision  query_id, at_us (wall clock), application, context, policy, plan_id, kind, arms (in link order); of kinds
          ``arms`` and ``features``: probabilities (not of ``features``), chosen, propensity, output, shadows; of kinds
          ``members`` and ``cascade``: members; both are [{"arm", "output"}] of those whose output was known; default
          (true where the default output was answered); features (the query's own numbers, where a policy reads them)
feedback  query_id, at_us, label or reward, outputs (arm -> output, of those that came later), losses (arm -> loss);
          by input query_id is null, and there are kind ``input``, context, plan_id and arms ([{"arm", "output"}])
gap       lost: decisions and feedback that could not be written here
========  ==========================================================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clipper.selection.observation import ABSENT

DRAWN_KINDS: Final = frozenset({"arms", "features"})
"""Kinds of plans of which one arm is drawn: with a propensity."""
ASKING_KINDS: Final = frozenset({"members", "cascade", "input"})
"""Kinds of plans that ask several models, which ones is no matter of chance; and feedback by input, which asks all."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one query was answered with, and by which chance."""

    query_id: int
    at_us: int
    application: str
    context: str | None
    policy: str
    plan_id: int
    kind: str
    arms: tuple[str, ...]
    """All that could be chosen, in link order; of an ensemble its members."""
    outputs: Mapping[str, Any]
    """Arm -> output, of those that are known."""
    chosen: str | None = None
    propensity: float | None = None
    probabilities: tuple[float, ...] | None = None
    features: tuple[float, ...] | None = None
    is_default: bool = False
    """Whether the default output was answered."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was said about the answer of one query."""

    query_id: int
    at_us: int
    label: Any = ABSENT
    reward: float | None = None
    losses: Mapping[str, float] | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Arm -> output, of those that came after the answer."""


@dataclass(frozen=True, slots=True)
class InputFeedback:
    """Feedback by input: no query was answered, and every linked model was asked what it says."""

    decision: Decision
    """Of kind "input"; its query_id is 0, and its application is not told: it is that of the lines around it."""
    feedback: Feedback


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines that were lost here."""

    lost: int


Record = Decision | Feedback | InputFeedback | Gap


class DamagedLineError(ValueError):
    """A line that is none of a decision log; the message says what is wrong with it."""


def parse_line(line: bytes) -> Record | None:
    """Return the record of a line; None for an empty line and for a type of a later version.

    Raises
    ------
    DamagedLineError
        It is no JSON object, or one that lacks a field or has one of the wrong type.
    """
    if not line.strip():
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedLineError(f"no JSON: {error}") from None
    return parse_record(document)


def parse_record(document: Any) -> Record | None:
    """Return the record of a line's JSON object; see `parse_line`."""
    if not isinstance(document, dict):
        raise DamagedLineError(f"an object is expected, not {_short(document)}")
    parse = _PARSERS.get(document.get("type", ""))
    if parse is None:
        if not isinstance(document.get("type"), str):
            raise DamagedLineError('the key "type" is missing')
        return None
    try:
        return parse(document)
    except KeyError as error:
        raise DamagedLineError(f"the key {error} is missing") from None


def _decision(document: Mapping[str, Any]) -> Decision:
    kind = _text(document, "kind")
    common: dict[str, Any] = {
        "query_id": _integer(document, "query_id"),
        "at_us": _integer(document, "at_us"),
        "application": _text(document, "application"),
        "context": _optional_text(document, "context"),
        "policy": _optional_text(document, "policy") or "",
        "plan_id": _integer(document, "plan_id") if "plan_id" in document else 0,
        "kind": kind,
        "features": _features(document.get("features")),
        "is_default": document.get("default") is True,
    }
    if kind in DRAWN_KINDS:
        return Decision(**common, **_drawn(document))
    if kind in ("members", "cascade"):
        outputs = _outputs(document, "members")
        return Decision(**common, arms=_texts(document, "arms"), outputs=outputs)
    raise DamagedLineError(f'"kind" is {_short(kind)}; known: arms, features, members, cascade')


def _drawn(document: Mapping[str, Any]) -> dict[str, Any]:
    arms = _texts(document, "arms")
    chosen = _text(document, "chosen")
    if chosen not in arms:
        raise DamagedLineError(f'"chosen" is {chosen!r}, which is not one of "arms"')
    probabilities = document.get("probabilities")
    if probabilities is not None:
        if not isinstance(probabilities, list) or len(probabilities) != len(arms):
            raise DamagedLineError('"probabilities" has not one number for each of "arms"')
        probabilities = tuple(_number(value, "probabilities", 0.0, 1.0) for value in probabilities)
    return {
        "arms": arms,
        "chosen": chosen,
        "propensity": _number(document["propensity"], "propensity", 0.0, 1.0),
        "probabilities": probabilities,
        "outputs": (_outputs(document, "shadows") if "shadows" in document else {})
        | ({chosen: document["output"]} if "output" in document else {}),
    }


def _outputs(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    members = document[key]
    if not isinstance(members, list) or not all(isinstance(item, dict) for item in members):
        raise DamagedLineError(f'"{key}" is {_short(members)}; an array of objects is expected')
    arms = [_text(item, "arm") for item in members]
    if len(set(arms)) < len(arms):
        raise DamagedLineError(f'"{key}" names an arm twice')
    return {item["arm"]: item["output"] for item in members if "output" in item}


def _feedback(document: Mapping[str, Any]) -> Feedback | InputFeedback:
    if document["query_id"] is not None:
        return _said(document, _integer(document, "query_id"))
    outputs = _outputs(document, "arms")
    at_us = _integer(document, "at_us")
    decision = Decision(
        query_id=0, at_us=at_us, application="", context=_optional_text(document, "context"), policy="",
        plan_id=_integer(document, "plan_id"), kind="input", outputs=outputs,
        arms=tuple(item["arm"] for item in document["arms"]),
    )  # fmt: skip
    return InputFeedback(decision, _said(document, 0))


def _said(document: Mapping[str, Any], query_id: int) -> Feedback:
    has_label, has_reward = "label" in document, document.get("reward") is not None
    if has_label == has_reward:
        raise DamagedLineError('feedback has either "label" or "reward"')
    outputs = document.get("outputs", {})
    if not isinstance(outputs, dict):
        raise DamagedLineError(f'"outputs" is {_short(outputs)}; an object is expected')
    losses = document.get("losses")
    if losses is not None:
        if not isinstance(losses, dict):
            raise DamagedLineError(f'"losses" is {_short(losses)}; an object is expected')
        losses = {arm: _number(loss, "losses", 0.0, 1.0) for arm, loss in losses.items()}
    return Feedback(
        query_id=query_id,
        at_us=_integer(document, "at_us"),
        label=document["label"] if has_label else ABSENT,
        reward=_number(document["reward"], "reward", 0.0, 1.0) if has_reward else None,
        losses=losses,
        outputs=outputs,
    )


def _gap(document: Mapping[str, Any]) -> Gap:
    return Gap(max(0, _integer(document, "lost")))


_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Record]]] = {
    "decision": _decision,
    "feedback": _feedback,
    "gap": _gap,
}


def _integer(document: Mapping[str, Any], key: str) -> int:
    value = document[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise DamagedLineError(f'"{key}" is {_short(value)}; an integer is expected')
    return value


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document[key]
    if not isinstance(value, str):
        raise DamagedLineError(f'"{key}" is {_short(value)}; text is expected')
    return value


def _optional_text(document: Mapping[str, Any], key: str) -> str | None:
    return None if document.get(key) is None else _text(document, key)


def _texts(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = document[key]
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise DamagedLineError(f'"{key}" is {_short(values)}; an array of names is expected')
    if len(set(values)) < len(values):
        raise DamagedLineError(f'"{key}" names an arm twice')
    return tuple(values)


def _number(value: Any, key: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise DamagedLineError(f'"{key}" is {_short(value)}; a number from {low:g} to {high:g} is expected')
    return float(value)


def _features(values: Any) -> tuple[float, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list):
        raise DamagedLineError(f'"features" is {_short(values)}; an array of numbers is expected')
    # What is no finite number was written as null.
    return tuple(math.nan if value is None else _number(value, "features", -math.inf, math.inf) for value in values)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
