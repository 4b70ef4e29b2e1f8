"""Desired against actual, as a pure function: what to start and what to stop now, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from clipper.deploy.devices import Demand, Grant, Room
from clipper.types import ModelId


class ReplicaState(StrEnum):
    """The life of a replica as management sees it."""

    STARTING = "starting"  # its process lives; no session with a frontend yet, or none any more
    LOADING = "loading"  # it has registered and loads its model
    READY = "ready"  # it gets batches
    SUSPECT = "suspect"  # it is silent, or holds a batch far too long: it gets no more
    STOPPING = "stopping"  # told to end; no longer counted


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """One replica whose process lives; ``since_us`` is when it entered its state."""

    model_id: ModelId
    index: int
    state: ReplicaState
    since_us: int
    was_late: bool = False  # STOPPING because it never became ready: a failure that counts when it is gone
    keep_us: int = 0  # so long a suspect is kept even when others have taken its place


@dataclass(frozen=True, slots=True)
class Restraint:
    """What failures hold back: no start before ``not_before_us``, and none at all in quarantine."""

    not_before_us: int = 0
    is_quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Start a replica under the lowest free index, with these devices if its version asks for any."""

    model_id: ModelId
    index: int
    grant: Grant | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a replica; ``is_failure`` if it goes because it never became ready."""

    model_id: ModelId
    index: int
    is_failure: bool = False


Action = Start | Stop
_ON_THEIR_WAY: Final = (ReplicaState.STARTING, ReplicaState.LOADING)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and when time alone would change the answer (None: never).

    ``waiting`` is how many replicas of a version are not started because no device is free for them.
    """

    actions: tuple[Action, ...]
    wake_us: int | None
    waiting: Mapping[ModelId, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wish:
    """Replicas of one version that need devices; held back by failures, they are not started, but have their place."""

    demand: Demand
    starts: Sequence[Start]
    replicas: Sequence[ReplicaView]
    is_held_back: bool

    @property
    def rank(self) -> tuple[bool, int, ModelId]:
        """What was deployed before what is being deployed, and of those who has fewest replicas."""
        counted = [one for one in self.replicas if one.state in (*_ON_THEIR_WAY, ReplicaState.READY)]
        return not self.demand.is_deployed, len(counted), self.starts[0].model_id


def reconcile(
    desired: Mapping[ModelId, int],
    actual: Sequence[ReplicaView],
    restraints: Mapping[ModelId, Restraint],
    now_us: int,
    ready_limit_us: int,
    suspect_grace_us: int,
    frontend_since_us: int | None,
    demands: Mapping[ModelId, Demand] | None = None,
    room: Room | None = None,
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
    suspect_grace_us : int
        A suspect that has not recovered for this long is replaced.
    frontend_since_us : int or None
        Since when there is a frontend that serves from the present snapshot. Without one no replica is late, since it
        could not register; and none is stopped, since a frontend that management does not see may still use it.
    demands : mapping, optional
        What the replicas of a version ask for, of those that need devices.
    room : Room, optional
        The devices, with what is held of them. It is drawn from; the grants of the starts are what was drawn.
    """
    actions: list[Action] = []
    wakes_us: list[int] = []
    wishes: list[_Wish] = []
    for model_id in sorted(desired.keys() | {replica.model_id for replica in actual}):
        replicas = [replica for replica in actual if replica.model_id == model_id]
        wanted = desired.get(model_id, 0)
        if frontend_since_us is not None:
            stops, limits_us = _stops(replicas, wanted, now_us, ready_limit_us, frontend_since_us)
            actions += stops
            wakes_us += limits_us
        # Without a frontend a suspicion is old news; what would replace the suspect could not be stopped again.
        trusted_since_us = now_us - suspect_grace_us if frontend_since_us is not None else -1
        starts = _starts(model_id, replicas, wanted, trusted_since_us)
        if frontend_since_us is not None:
            graces_us = [one.since_us + suspect_grace_us for one in replicas if one.state is ReplicaState.SUSPECT]
            wakes_us += [end_us for end_us in graces_us if end_us > now_us]
        restraint = restraints.get(model_id, Restraint())
        if not starts or restraint.is_quarantined:
            continue
        is_held_back = restraint.not_before_us > now_us
        if is_held_back:
            wakes_us.append(restraint.not_before_us)
        demand = (demands or {}).get(model_id)
        if demand is not None:
            wishes.append(_Wish(demand, starts, replicas, is_held_back))
        elif not is_held_back:
            actions += starts
    waiting: dict[ModelId, int] = {}
    for wish in sorted(wishes, key=lambda wish: wish.rank):
        granted = _grant(wish, room or Room())
        actions += [] if wish.is_held_back else granted
        missing = len(wish.starts) - len(granted)
        if missing:
            waiting[wish.starts[0].model_id] = missing
            if frontend_since_us is not None:
                stops, ends_us = _give_way(wish.replicas, missing, actions, now_us, suspect_grace_us)
                actions += stops
                wakes_us += ends_us
    return Decision(tuple(actions), min(wakes_us, default=None), waiting)


def _grant(wish: _Wish, room: Room) -> list[Start]:
    """Return those starts that devices were found for."""
    granted = []
    for start in wish.starts:
        grant = room.take(wish.demand.gpus)
        if grant is None:  # nor is there one for the next, which asks for as much
            break
        granted.append(replace(start, grant=grant))
    return granted


def _give_way(
    replicas: Sequence[ReplicaView], missing: int, actions: Sequence[Action], now_us: int, suspect_grace_us: int
) -> tuple[list[Stop], list[int]]:
    """Stop suspects whose replacements find no device, when they were kept for as long as they should be.

    Elsewhere a suspect is kept until its replacement is ready; here that would be for ever, as it has the device.
    """
    suspects = [one for one in replicas if one.state is ReplicaState.SUSPECT]
    suspects = [one for one in suspects if Stop(one.model_id, one.index) not in actions]
    ends_us = {one.index: one.since_us + max(suspect_grace_us, one.keep_us) for one in suspects}
    suspects.sort(key=lambda one: (ends_us[one.index], one.index))
    more = max(0, missing - sum(one.state is ReplicaState.STOPPING for one in replicas))
    stops = [Stop(one.model_id, one.index) for one in suspects[:more] if ends_us[one.index] <= now_us]
    return stops, [end_us for end_us in ends_us.values() if end_us > now_us]


def _stops(
    replicas: Sequence[ReplicaView], wanted: int, now_us: int, ready_limit_us: int, frontend_since_us: int
) -> tuple[list[Stop], list[int]]:
    """Return whom to stop, and when those on their way will be late."""
    stops: list[Stop] = []
    limits_us: list[int] = []
    in_time: list[ReplicaView] = []
    for replica in replicas:
        limit_us = max(replica.since_us, frontend_since_us) + ready_limit_us
        if replica.state in _ON_THEIR_WAY and limit_us <= now_us:
            stops.append(Stop(replica.model_id, replica.index, is_failure=True))
            continue
        if replica.state in _ON_THEIR_WAY:
            limits_us.append(limit_us)
        if replica.state is not ReplicaState.STOPPING:
            in_time.append(replica)
    surplus, ends_us = _surplus(in_time, wanted, now_us)
    stops += [Stop(replica.model_id, replica.index) for replica in surplus]
    return stops, limits_us + ends_us


def _starts(model_id: ModelId, replicas: Sequence[ReplicaView], wanted: int, trusted_since_us: int) -> list[Start]:
    """Return what is missing, as far as failures allow; suspects since ``trusted_since_us`` may recover yet."""
    # A late replica is a failure that the restraint does not know of yet: it is replaced when it is gone.
    counted = sum(
        replica.was_late
        if replica.state is ReplicaState.STOPPING
        else replica.state is not ReplicaState.SUSPECT or replica.since_us > trusted_since_us
        for replica in replicas
    )
    taken = {replica.index for replica in replicas}
    free = [index for index in range(wanted + len(taken)) if index not in taken]
    return [Start(model_id, index) for index in free[: max(0, wanted - counted)]]


def _surplus(living: Sequence[ReplicaView], wanted: int, now_us: int) -> tuple[list[ReplicaView], list[int]]:
    """Choose whom to stop: of the healthy those least far on, then the newest; of the suspects those replaced.

    A suspect may recover, so it goes only when enough others are ready and it was kept for as long as it should be, or
    when suspects pile up to as many as are wanted (then the oldest go). Also returns when those that are kept may go.
    """
    usefulness = (ReplicaState.STARTING, ReplicaState.LOADING, ReplicaState.READY)
    healthy = [replica for replica in living if replica.state is not ReplicaState.SUSPECT]
    healthy.sort(key=lambda replica: (usefulness.index(replica.state), -replica.index))
    suspects = [replica for replica in living if replica.state is ReplicaState.SUSPECT]
    suspects.sort(key=lambda replica: (replica.since_us, replica.index))
    ready_count = sum(replica.state is ReplicaState.READY for replica in healthy)
    too_many = suspects[: max(0, len(suspects) - wanted)]
    if ready_count >= wanted:
        ended = [replica for replica in suspects if replica in too_many or replica.since_us + replica.keep_us <= now_us]
        ends_us = [replica.since_us + replica.keep_us for replica in suspects if replica not in ended]
    else:
        ended, ends_us = too_many, []
    return healthy[: max(0, len(healthy) - wanted)] + ended, ends_us
