"""Lines of decision logs, short to write in tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ARMS = ("a:1", "b:1")


def decision(query_id: int, chosen: str = "a:1", **fields: Any) -> dict[str, Any]:
    """Return a decision of kind "arms", drawn uniformly unless told otherwise."""
    arms = list(fields.pop("arms", ARMS))
    probabilities = fields.pop("probabilities", [1 / len(arms)] * len(arms))
    return {
        "type": "decision", "query_id": query_id, "at_us": query_id * 1_000, "application": "digits", "context": None,
        "policy": "epsilon_greedy", "plan_id": 1, "kind": "arms", "arms": arms, "probabilities": probabilities,
        "chosen": chosen, "propensity": probabilities[arms.index(chosen)], "output": 7, **fields,
    }  # fmt: skip


def asked(query_id: int, outputs: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a decision of kind "members"; the outputs of arms that are not in ``outputs`` are not known."""
    members = [{"arm": arm, "output": output, "propensity": 1.0, "shown": True} for arm, output in outputs.items()]
    return {
        "type": "decision", "query_id": query_id, "at_us": query_id * 1_000, "application": "digits", "context": None,
        "policy": "majority", "plan_id": 1, "kind": "members", "arms": list(ARMS), "members": members, **fields,
    }  # fmt: skip


def feedback(query_id: int, **fields: Any) -> dict[str, Any]:
    """Return feedback that comes half a millisecond after its decision: the label 7 unless told otherwise."""
    given = fields if {"label", "reward"} & fields.keys() else {"label": 7, **fields}
    return {"type": "feedback", "query_id": query_id, "at_us": query_id * 1_000 + 500, **given}


def by_input(at_us: int, outputs: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return feedback by input: the label 7 unless told otherwise."""
    arms = [{"arm": arm, "output": output, "propensity": 1.0, "shown": False} for arm, output in outputs.items()]
    return {
        "type": "feedback", "query_id": None, "at_us": at_us, "context": None, "plan_id": 1, "kind": "input",
        "arms": arms, "label": 7, **fields,
    }  # fmt: skip


def alternating(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Return decisions for both arms in turn, with feedback: a is right always, b every second time."""
    lines = []
    for query_id in range(1, count + 1):
        chosen = ARMS[query_id % 2]
        right = chosen == "a:1" or query_id % 4 == 1
        lines += [decision(query_id, chosen, **fields), feedback(query_id, label=7 if right else 8)]
    return lines


def text_of(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of a log."""
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def write_log(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """Write a log."""
    path.write_text(text_of(lines), encoding="utf-8")
    return path
