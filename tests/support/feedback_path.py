"""An application that learns, on one worker's data path, and what of its feedback would reach management."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clipper._core.plan import Plan
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.http_responses import Response

LEARNING: dict[str, Any] = {"decision_ttl_s": 3600, "feedback_deadline_us": 5_000_000}


@contextmanager
def learning_pair() -> Iterator[DataPath]:
    """Yield an application ``app`` that learns over two models, a and b; none of them is served yet."""
    with data_path() as serving:
        serving.apply([application(models=("a", "b"), learning=LEARNING)], [model("a"), model("b")])
        yield serving


def observations(path: DataPath) -> list[dict[str, Any]]:
    """Return what was joined, as management would get it, since the last call."""

    def send() -> list[dict[str, Any]]:
        path.channel.is_connected = True
        path.learning.observations._send()
        path.channel.is_connected = False
        return [item for message in path.channel.take("observations") for item in message["items"]]

    return list(path.call(send))


def outcomes(path: DataPath, app: str = "app") -> dict[str, int]:
    """Return what became of an application's feedback, by outcome."""
    return {outcome: n for (name, outcome), n in path.learning.feedback.outcomes.items() if name == app}


def refused(answer: Response, status: int, code: str) -> str:
    """Return the cause of an answer that must be this refusal."""
    assert (answer.status, answer.json["error"]) == (status, code)
    return str(answer.json["cause"])


def set_plan(path: DataPath, kind: Any, names: tuple[str, ...], **options: Any) -> None:
    """Put a plan of application ``app`` in force, over models by name; `shadows` are names, too."""

    def swap() -> None:
        models = {one.name: one for one in path.snapshots.models.values()}
        options["shadows"] = [models[name] for name in options.get("shadows", ())]
        path.snapshots.applications["app"].set_plan(Plan(kind, [models[name] for name in names], **options))

    path.call(swap)


def look(path: DataPath, later_us: int = 0) -> None:
    """Look at the decisions once, as the worker does many times a second, and wait for the disk."""

    def run() -> None:
        path.channel.is_connected = True
        path.learning.drain.look(time.monotonic_ns() // 1_000 + later_us, time.time_ns() // 1_000)
        path.channel.is_connected = False

    path.call(run)
    assert path.learning.files.flush()
