"""A simulated world for `reconcile`: containers that start, load, hang, fail and die; nobody waits for any of it.

It carries decisions out as the fleet does, and holds each one to what reconcile promises (`World.decide`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from clipper.deploy.devices import Demand, Grant, Room
from clipper.deploy.reconcile import Decision, ReplicaState, ReplicaView, Restraint, Start, Stop, reconcile
from clipper.types import ModelId

READY_LIMIT_US = 1_000
GRACE_US, KEEP_US = 5, 8
NOW_US = 10_000
Key = tuple[ModelId, int]
UNHEALTHY = (ReplicaState.SUSPECT, ReplicaState.STOPPING)


@dataclass
class World:
    """Containers of several model versions at one time.

    Parameters
    ----------
    replicas : iterable of ReplicaView
        What runs already, whoever started it.
    frontend_since_us : int or None
        Since when a frontend serves from the present snapshot.
    demands : dict, optional
        What replicas of a version need of the devices.
    """

    desired: dict[ModelId, int]
    replicas: dict[Key, ReplicaView]
    restraints: dict[ModelId, Restraint] = field(default_factory=dict)
    now_us: int = NOW_US
    frontend_since_us: int | None = 0
    starts: Counter[ModelId] = field(default_factory=Counter)
    stopped_ready: int = 0
    demands: dict[ModelId, Demand] = field(default_factory=dict)
    device_ids: tuple[str, ...] = ()
    grants: dict[Key, Grant] = field(default_factory=dict)

    @classmethod
    def of(cls, desired: Mapping[ModelId, int], replicas: Iterable[ReplicaView]) -> World:
        return cls(dict(desired), {(one.model_id, one.index): one for one in replicas})

    # -- what reconcile is asked, and held to ------------------------------------------------------------------------

    def decide(self) -> Decision:
        """Ask, check the answer against what it must never do, and return it."""
        views = [replace(one, keep_us=KEEP_US) for one in self.replicas.values()]
        decision = self._ask(self.desired, views)
        again = self._ask(dict(reversed(self.desired.items())), views[::-1])
        assert set(again.actions) == set(decision.actions), "the order of what is told must not matter"
        assert again.wake_us == decision.wake_us
        assert decision.wake_us is None or decision.wake_us > self.now_us, "it would be asked for ever"
        for model_id in self.desired.keys() | {one.model_id for one in views}:
            self._check(model_id, [action for action in decision.actions if action.model_id == model_id])
        return decision

    def _ask(self, desired: Mapping[ModelId, int], views: Sequence[ReplicaView]) -> Decision:
        return reconcile(
            desired,
            views,
            self.restraints,
            self.now_us,
            READY_LIMIT_US,
            GRACE_US,
            self.frontend_since_us,
            self.demands,
            self.room(),
        )

    def _check(self, model_id: ModelId, actions: list[Start | Stop]) -> None:
        wanted = self.desired.get(model_id, 0)
        mine = {one.index: one for one in self.replicas.values() if one.model_id == model_id}
        states = Counter(one.state for one in mine.values())
        starts = [action.index for action in actions if isinstance(action, Start)]
        stops = [action.index for action in actions if isinstance(action, Stop)]
        assert len(set(starts)) == len(starts), "one index is given twice"
        assert not set(starts) & mine.keys(), "an index in use is given away"
        assert set(stops) <= mine.keys(), "what is not there is stopped"
        assert len(set(stops)) == len(stops)
        assert all(mine[index].state is not ReplicaState.STOPPING for index in stops), "stopped twice"
        healthy = sum(states[state] for state in ReplicaState if state not in UNHEALTHY)
        stopped = Counter(mine[index].state for index in stops)
        # Never more than wanted, and a replacement for each suspect that is kept until it is there.
        assert healthy + len(starts) - _healthy(stopped) <= max(wanted, healthy - _healthy(stopped))
        living = sum(states[state] for state in ReplicaState if state is not ReplicaState.STOPPING)
        assert living + len(starts) - len(stops) <= max(2 * wanted, living), "more than its surge"
        # What answers queries is stopped only if enough others do.
        assert states[ReplicaState.READY] - stopped[ReplicaState.READY] >= min(wanted, states[ReplicaState.READY])
        if stopped[ReplicaState.READY]:
            left = healthy - _healthy(stopped)
            assert states[ReplicaState.READY] - stopped[ReplicaState.READY] == left, "a less useful one is kept"
        restraint = self.restraints.get(model_id, Restraint())
        if restraint.is_quarantined or restraint.not_before_us > self.now_us:
            assert not starts, "started in spite of its failures"
        if self.frontend_since_us is None:
            assert not stops, "nobody can tell the frontends"

    def carry_out(self, decision: Decision) -> None:
        """Do as the fleet does: what is started is on its way, what is stopped is leaving."""
        for action in decision.actions:
            key = (action.model_id, action.index)
            if isinstance(action, Start):
                self.starts[action.model_id] += 1
                self.replicas[key] = ReplicaView(*key, ReplicaState.STARTING, self.now_us)
                if action.grant is not None:
                    self.grants[key] = action.grant
            else:
                self.stopped_ready += self.replicas[key].state is ReplicaState.READY
                leaving = replace(self.replicas[key], state=ReplicaState.STOPPING, since_us=self.now_us)
                self.replicas[key] = replace(leaving, was_late=action.is_failure)

    def room(self) -> Room:
        """Return the devices; what is gone holds none."""
        self.grants = {key: grant for key, grant in self.grants.items() if key in self.replicas}
        return Room(self.device_ids, list(self.grants.values()))

    # -- what happens by itself --------------------------------------------------------------------------------------

    def pass_time(self, us: int = 10) -> None:
        """Let some time go by in which everything goes well: the leaving are gone, the rest is ready."""
        self.now_us += us
        for key, one in list(self.replicas.items()):
            if one.state is ReplicaState.STOPPING:
                del self.replicas[key]
            elif one.state in (ReplicaState.STARTING, ReplicaState.LOADING):
                self.replicas[key] = replace(one, state=ReplicaState.READY, since_us=self.now_us)

    def disturb(self, chance: random.Random) -> None:
        """Let some time go by in which anything may happen to anybody."""
        self.now_us += chance.randrange(1, READY_LIMIT_US)
        for key, one in list(self.replicas.items()):
            fate = chance.random()
            if fate < 0.2:
                del self.replicas[key]  # it died, or has left
            elif one.state is not ReplicaState.STOPPING and fate < 0.7:
                state = chance.choice([state for state in ReplicaState if state is not ReplicaState.STOPPING])
                self.replicas[key] = replace(one, state=state, since_us=self.now_us)
        if chance.random() < 0.3:
            self.frontend_since_us = None if self.frontend_since_us is not None else self.now_us

    def counts(self) -> dict[ModelId, int]:
        """How many replicas each version has, all of which must be ready."""
        assert all(one.state is ReplicaState.READY for one in self.replicas.values())
        return dict(Counter(one.model_id for one in self.replicas.values()))


def _healthy(counted: Counter[ReplicaState]) -> int:
    return sum(count for state, count in counted.items() if state not in UNHEALTHY)
