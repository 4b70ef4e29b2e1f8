"""Watches the replicas of a version for `Progress`: says what changed, and nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from clipper.deploy.fleet import Fleet
from clipper.deploy.reconcile import ReplicaState
from clipper.deploy.replicas import ReplicaTable
from clipper.management.progress import Progress, Stage
from clipper.types import ModelId


def follow_ready(progress: Progress, fleet: Fleet, model_id: ModelId, count: int) -> Callable[[], None]:
    """Return what to call at each look while ``count`` replicas are awaited."""

    def describe(states: Counter[ReplicaState]) -> tuple[Stage, str]:
        ready = states[ReplicaState.READY]
        others = [
            f"{states[state]} {state}" for state in (ReplicaState.LOADING, ReplicaState.STARTING) if states[state]
        ]
        waiting = fleet.waiting(model_id)
        detail = ", ".join([f"{ready} of {count} replicas ready", *others, *([waiting] if waiting else [])])
        if ready >= count:
            return Stage.READY, detail
        return Stage.LOADING if states[ReplicaState.LOADING] else Stage.STARTING, detail

    return _follow(progress, fleet.table, model_id, describe)


def follow_stopping(progress: Progress, table: ReplicaTable, model_id: ModelId) -> Callable[[], None]:
    """Return what to call at each look while replicas are awaited to end."""

    def describe(states: Counter[ReplicaState]) -> tuple[Stage, str]:
        return Stage.STOPPING, f"{states[ReplicaState.STOPPING]} replicas of {model_id} stopping"

    return _follow(progress, table, model_id, describe)


def _follow(
    progress: Progress,
    table: ReplicaTable,
    model_id: ModelId,
    describe: Callable[[Counter[ReplicaState]], tuple[Stage, str]],
) -> Callable[[], None]:
    said: tuple[Stage, str] | None = None

    def look() -> None:
        nonlocal said
        states = Counter(table.state(replica) for replica in table.of(model_id))
        now = describe(states)
        if now != said:
            said = now
            progress.say(*now, ready_replicas=states[ReplicaState.READY])

    return look
