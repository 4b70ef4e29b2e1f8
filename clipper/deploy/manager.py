"""The interface of a container manager: whatever can run a program under a replica's name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipper.deploy.devices import Grant
from clipper.types import ReplicaId


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """One replica to start: its program and what is added to the program's environment.

    ``resources`` is what the version asks for, by names that each manager knows for itself (``cpu``, ``memory``); a
    manager leaves alone what it does not know. ``grant`` is what this replica was given of ``nvidia.com/gpu``; the
    manager keeps it with the replica, and tells it again when management was restarted.
    """

    replica_id: ReplicaId
    argv: Sequence[str]
    env: Mapping[str, str]
    resources: Mapping[str, int | str] = field(default_factory=dict)
    grant: Grant | None = None


@dataclass(frozen=True, slots=True)
class RunningReplica:
    """One replica whose process lives."""

    replica_id: ReplicaId
    pid: int
    grant: Grant | None = None  # the devices that it was started with


@dataclass(frozen=True, slots=True)
class ReplicaExit:
    """The end of a replica's process; a negative code is the number of the signal that ended it."""

    replica_id: ReplicaId
    code: int
    note: str = ""  # what the manager knows beside it, such as that memory ran out

    def __str__(self) -> str:
        text = f"was killed by signal {-self.code}" if self.code < 0 else f"exited with code {self.code}"
        return f"{text}: {self.note}" if self.note else text


@dataclass(frozen=True, slots=True)
class ManagerEvents:
    """What a manager tells its user, from callbacks on the same loop."""

    on_running: Callable[[RunningReplica], None]  # it runs already: management was restarted
    on_exit: Callable[[ReplicaExit], None]  # it has ended, wanted or not
    on_closed: Callable[[], None]  # the manager starts and stops nothing any more: Clipper is being stopped


class ContainerManager(ABC):
    """Runs on management's event loop; tells ``events``, which its user sets first, what happens to replicas."""

    events: ManagerEvents

    @property
    def process_restarts(self) -> Mapping[str, int]:
        """How often each process of Clipper itself was restarted, where that is known."""
        return {}

    @abstractmethod
    async def start_replica(self, spec: ReplicaSpec) -> RunningReplica:
        """Start a replica and return when its process exists; it is not ready by then.

        Raises
        ------
        DeployError
            The program cannot be started.
        UnavailableError
            The manager cannot be reached, or starts nothing any more.
        """

    @abstractmethod
    async def stop_replica(self, replica_id: ReplicaId, grace_us: int) -> None:
        """Ask a replica to end, kill it after ``grace_us``, and return when it is gone; unknown ones are gone.

        One that is just being started is stopped when it has been. ``on_exit`` is told before this returns.

        Raises
        ------
        UnavailableError
            The manager cannot be reached, or does not report the end.
        """

    @abstractmethod
    def list_replicas(self) -> tuple[RunningReplica, ...]:
        """Return the replicas whose process lives."""

    @abstractmethod
    def logs(self, replica_id: ReplicaId, line_count: int) -> str:
        """Return the last lines that the newest process of this replica has printed; empty if there are none."""

    def log_path(self, replica_id: ReplicaId) -> Path | None:
        """Return the file that a replica's output is appended to; None where no file of this machine keeps it."""
        return None
