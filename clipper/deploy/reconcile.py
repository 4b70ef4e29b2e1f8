"""Desired against actual, as a pure function: what to start and what to stop now, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from clipper.types import ModelId


class ReplicaState(StrEnum):
    """The life of a replica as management sees it."""

    STARTING = "starting"  # its process lives; no session with a frontend yet, or none any more
    LOADING = "loading"  # it has registered and loads its model
    READY = "ready"  # it gets batches
    SUSPECT = "suspect"  # it holds a batch far too long and gets no more
    STOPPING = "stopping"  # told to end; no longer counted


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """One replica whose process lives; ``since_us`` is when it entered its state."""

    model_id: ModelId
    index: int
    state: ReplicaState
    since_us: int


@dataclass(frozen=True, slots=True)
class Restraint:
    """What failures hold back: no start before ``not_before_us``, and none at all in quarantine."""

    not_before_us: int = 0
    is_quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Start a replica under the lowest free index."""

    model_id: ModelId
    index: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a replica; ``is_failure`` if it goes because it never became ready."""

    model_id: ModelId
    index: int
    is_failure: bool = False


Action = Start | Stop


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and when time alone would change the answer (None: never)."""

    actions: tuple[Action, ...]
    wake_us: int | None


def reconcile(
    desired: Mapping[ModelId, int],
    actual: Sequence[ReplicaView],
    restraints: Mapping[ModelId, Restraint],
    now_us: int,
    ready_limit_us: int,
    frontend_since_us: int | None,
) -> Decision:
    """Return the fewest actions that lead from ``actual`` to ``desired``.

    Parameters
    ----------
    desired : mapping
        Replicas wanted of each model version; a version that is absent is not wanted at all.
    actual : sequence of ReplicaView
        Every living replica once.
    restraints : mapping
        Of versions whose replicas have failed.
    ready_limit_us : int
        A replica that has not become ready for this long has failed.
    frontend_since_us : int or None
        Since when there is a frontend that serves from the present snapshot. Without one no replica is late, since it
        could not register; and none is stopped, since a frontend that management does not see may still use it.
    """
    actions: list[Action] = []
    wakes_us: list[int] = []
    for model_id in sorted(desired.keys() | {replica.model_id for replica in actual}):
        replicas = [replica for replica in actual if replica.model_id == model_id]
        late_since_us = None if frontend_since_us is None else now_us - ready_limit_us
        late = [r for r in replicas if late_since_us is not None and _is_late(r, late_since_us, frontend_since_us or 0)]
        actions += [Stop(model_id, replica.index, is_failure=True) for replica in late]
        living = [replica for replica in replicas if replica not in late and replica.state is not ReplicaState.STOPPING]
        wanted = desired.get(model_id, 0)
        if frontend_since_us is not None:
            actions += [Stop(model_id, replica.index) for replica in _surplus(living, wanted)]
        if frontend_since_us is not None:
            waiting = [replica for replica in living if _is_waiting(replica)]
            wakes_us += [max(replica.since_us, frontend_since_us) + ready_limit_us for replica in waiting]
        restraint = restraints.get(model_id, Restraint())
        # A late replica is a failure that the restraint does not know of yet: replace it when it is gone.
        counted = sum(replica.state is not ReplicaState.SUSPECT for replica in living) + len(late)
        if counted >= wanted or restraint.is_quarantined:
            continue
        if restraint.not_before_us > now_us:
            wakes_us.append(restraint.not_before_us)
            continue
        taken = {replica.index for replica in replicas}
        free = [index for index in range(wanted + len(taken)) if index not in taken]
        actions += [Start(model_id, index) for index in free[: wanted - counted]]
    return Decision(tuple(actions), min(wakes_us, default=None))


def _is_waiting(replica: ReplicaView) -> bool:
    return replica.state in (ReplicaState.STARTING, ReplicaState.LOADING)


def _is_late(replica: ReplicaView, late_since_us: int, frontend_since_us: int) -> bool:
    return _is_waiting(replica) and max(replica.since_us, frontend_since_us) <= late_since_us


def _surplus(living: Sequence[ReplicaView], wanted: int) -> list[ReplicaView]:
    """Choose whom to stop: of the healthy those least far on, then the newest; of the suspects those replaced.

    A suspect may recover, so it goes only when enough others are ready, or when suspects pile up to as many as are
    wanted (then the oldest go).
    """
    usefulness = (ReplicaState.STARTING, ReplicaState.LOADING, ReplicaState.READY)
    healthy = [replica for replica in living if replica.state is not ReplicaState.SUSPECT]
    healthy.sort(key=lambda replica: (usefulness.index(replica.state), -replica.index))
    suspects = [replica for replica in living if replica.state is ReplicaState.SUSPECT]
    suspects.sort(key=lambda replica: (replica.since_us, replica.index))
    ready_count = sum(replica.state is ReplicaState.READY for replica in healthy)
    kept_suspects = 0 if ready_count >= wanted else wanted
    return healthy[: max(0, len(healthy) - wanted)] + suspects[: max(0, len(suspects) - kept_suspects)]
