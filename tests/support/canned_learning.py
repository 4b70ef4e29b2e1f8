"""Both ports of a Clipper with one application that learns, as canned answers: for what callers send and show."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from tests.support.canned_server import Answer, Asked, CannedServer, canned_server

APPLICATION = {
    "name": "digits", "input_type": "doubles", "shape": None, "dtype": None, "models": ["svm", "tree"],
    "policy": {"name": "thompson"}, "learning": {"loss": "zero_one"}, "default_output": -1, "latency_slo_us": 20_000,
    "max_slo_us": 20_000, "on_miss": "default", "cache": True, "cache_ttl_us": 0,
}  # fmt: skip
POLICY: dict[str, Any] = {
    "policy": {"name": "thompson", "floor": 0.02},
    "learning": {"loss": "zero_one", "per_context": True},
    "plan": {"plan_id": 7, "kind": "arms", "models": ["svm:1", "tree:1"], "probabilities": [0.98, 0.02]},
    "arms": [
        {"arm": "svm:1", "share": 0.98, "pulls": 5321, "mean_reward": 0.974, "interval_low": 0.965,
         "interval_high": 0.981},
        {"arm": "tree:1", "share": 0.02, "pulls": 0, "mean_reward": None, "interval_low": None, "interval_high": None},
    ],
    "observations": 5321,
    "contexts": 12,
    "context": None,
    "events": [{"at_us": 1_700_000_000_000_000, "kind": "drift", "text": "tree:1 is worse than it was"}],
}  # fmt: skip


def answer(status: int, document: Any) -> Answer:
    return status, "application/json", json.dumps(document).encode()


def update(asked: Asked) -> Answer:
    """Answer feedback: query 1 joins, 2 was known, 3 is unknown, 4 is contradicted; an input is evaluated."""
    body = json.loads(asked.body)
    if "input" in body:
        return answer(200, {"feedback": "joined", "evaluated": 1, "cached": 1, "missing": ["tree:1"]})
    answers = {
        1: (200, {"query_id": 1, "feedback": "joined"}),
        2: (200, {"query_id": 2, "feedback": "duplicate"}),
        3: (404, {"error": "unknown_query", "cause": "no query 3 is remembered"}),
        4: (409, {"error": "contradictory_feedback", "cause": "the label of query 4 was 7"}),
        5: (409, {"error": "feedback_disabled", "cause": "digits does not learn", "hint": "register with learning"}),
    }
    return answer(*answers[body["query_id"]])


def policy(asked: Asked) -> Answer:
    """Answer what is known of everybody, and of ann."""
    context = "ann" if asked.path.endswith("?context=ann") else None
    return answer(200, {**POLICY, "context": context})


@contextlib.contextmanager
def canned_learning() -> Iterator[CannedServer]:
    """Serve ``digits``; the query port and management are the same port here."""
    with canned_server({}) as server:
        base = "/api/v1"
        status = {"query_url": server.url, "applications": [APPLICATION], "models": [], "replicas": []}
        server.answers.update({
            f"{base}/status": answer(200, status),
            f"{base}/applications": lambda asked: answer(*((201, APPLICATION) if asked.method == "POST"
                                                          else (200, [APPLICATION]))),
            f"{base}/applications/digits/policy": policy,
            f"{base}/applications/digist/policy": answer(
                404, {"error": "not_found", "cause": "there is no application 'digist'", "hint": "known: digits"}
            ),
            "/digits/update": update,
            "/nobody/update": answer(404, {"error": "not_found", "cause": "no application has this path"}),
        })  # fmt: skip
        yield server
