"""The actual state: which replica processes live, joined with what the frontend workers say of their sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from clipper.deploy.reconcile import ReplicaState, ReplicaView
from clipper.types import ModelId, ReplicaId

# What a worker reports, and what it means here. A session that is closed or draining while the process lives is
# one that will be opened again, or that is being stopped by us (then the state is STOPPING whatever is reported).
_REPORTED: Final = {
    "loading": ReplicaState.LOADING,
    "warming": ReplicaState.LOADING,
    "ready": ReplicaState.READY,
    "suspect": ReplicaState.SUSPECT,
    "draining": ReplicaState.STARTING,
    "closed": ReplicaState.STARTING,
}
REPORTED_STATES: Final = tuple(_REPORTED)


@dataclass(slots=True)
class Session:
    """What a worker said last of a replica."""

    worker: int
    state: str
    reason: str
    since_us: int


@dataclass(slots=True)
class Replica:
    """One living replica process. Times are monotonic microseconds."""

    replica_id: ReplicaId
    model_id: ModelId
    index: int
    pid: int  # 0 until the manager has started it
    started_us: int
    ready_us: int | None = None  # first ready
    is_stopping: bool = False
    was_late: bool = False  # it is being stopped because it never became ready
    failure_cause: str = ""  # why it is being stopped, if that counts as a failure


def make_replica_id(model_id: ModelId, index: int) -> ReplicaId:
    """Return ``name:version:index``."""
    return ReplicaId(f"{model_id}:{index}")


def split_replica_id(replica_id: ReplicaId) -> tuple[ModelId, int]:
    """Undo `make_replica_id`; names and versions hold no colon.

    Raises
    ------
    ValueError
        It is none of ours.
    """
    name, version, index = replica_id.split(":")
    return ModelId(name, version), int(index)


class ReplicaTable:
    """Written by the fleet from two sides that are not ordered: processes by the manager, sessions by workers."""

    def __init__(self) -> None:
        self._replicas: dict[ReplicaId, Replica] = {}
        self._sessions: dict[ReplicaId, Session] = {}

    def __iter__(self) -> Iterator[Replica]:
        return iter(list(self._replicas.values()))

    def get(self, replica_id: ReplicaId) -> Replica | None:
        """Return the replica if its process lives."""
        return self._replicas.get(replica_id)

    def add(self, replica_id: ReplicaId, pid: int, now_us: int) -> Replica:
        """Note a process that has been, or is about to be, started."""
        model_id, index = split_replica_id(replica_id)
        replica = Replica(replica_id, model_id, index, pid, now_us)
        session = self._sessions.get(replica_id)
        if session is not None and session.state == "ready":
            replica.ready_us = session.since_us
        self._replicas[replica_id] = replica
        return replica

    def remove(self, replica_id: ReplicaId) -> Replica | None:
        """Forget a replica whose process has ended, and its session."""
        self._sessions.pop(replica_id, None)
        return self._replicas.pop(replica_id, None)

    def on_session(self, replica_id: ReplicaId, worker: int, state: str, reason: str, now_us: int) -> None:
        """Note what a worker reports; a closed session is forgotten, unless another worker has it by now."""
        session = self._sessions.get(replica_id)
        if state == "closed":
            if replica_id not in self._replicas:
                self._sessions.pop(replica_id, None)  # nobody asks again for one that was started by hand
            elif session is not None and session.worker == worker:
                self._sessions[replica_id] = Session(worker, state, reason, now_us)
            return
        self._sessions[replica_id] = Session(worker, state, reason, now_us)
        replica = self._replicas.get(replica_id)
        if replica is not None and state == "ready" and replica.ready_us is None:
            replica.ready_us = now_us

    def on_worker_lost(self, worker: int, now_us: int) -> None:
        """Close the sessions of a worker that is gone; their replicas will register anew."""
        for replica_id, session in self._sessions.items():
            if session.worker == worker:
                self._sessions[replica_id] = Session(worker, "closed", "its frontend worker is gone", now_us)

    def session(self, replica_id: ReplicaId) -> Session | None:
        """Return what a worker said last."""
        return self._sessions.get(replica_id)

    @staticmethod
    def never_registered(replica: Replica, session: Session | None) -> bool:
        """Whether a replica's program runs, or ran, and no worker has ever heard of it by ``session``."""
        return replica.pid != 0 and session is None and replica.ready_us is None

    def external(self) -> list[tuple[ReplicaId, Session]]:
        """Return the sessions of containers whose processes somebody else has started."""
        sessions = [(name, session) for name, session in self._sessions.items() if name not in self._replicas]
        return [(name, session) for name, session in sessions if session.state != "closed"]

    def external_ready_count(self, model_id: ModelId) -> int:
        """Return how many containers started by hand get batches; their ids begin with the model version."""
        prefix = f"{model_id}:"
        return sum(name.startswith(prefix) and session.state == "ready" for name, session in self.external())

    def has_ready(self, model_id: ModelId) -> bool:
        """Return whether a model version has a replica that gets batches, whoever has started it."""
        return self.ready_count(model_id) > 0 or self.external_ready_count(model_id) > 0

    def state(self, replica: Replica) -> ReplicaState:
        """Return the joined state."""
        return self.view(replica).state

    def view(self, replica: Replica) -> ReplicaView:
        """Return what `reconcile` needs to know of one replica."""
        session = self._sessions.get(replica.replica_id)
        if replica.is_stopping:
            state, since_us = ReplicaState.STOPPING, replica.started_us
        elif session is None:
            state, since_us = ReplicaState.STARTING, replica.started_us
        elif replica.ready_us is None:
            # On its first way up the time runs from its start: one that connects again and again is late one day.
            state, since_us = _REPORTED[session.state], replica.started_us
        else:
            state, since_us = _REPORTED[session.state], session.since_us
        return ReplicaView(replica.model_id, replica.index, state, since_us, replica.was_late)

    def of(self, model_id: ModelId) -> list[Replica]:
        """Return the living replicas of a model version."""
        return [replica for replica in self._replicas.values() if replica.model_id == model_id]

    def ready_count(self, model_id: ModelId) -> int:
        """Return how many replicas of a model version get batches."""
        return sum(self.state(replica) is ReplicaState.READY for replica in self.of(model_id))
