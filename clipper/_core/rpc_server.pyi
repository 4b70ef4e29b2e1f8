"""Sessions with containers: who is there, who may be given a batch, what came back."""

import asyncio
from collections.abc import Sequence
from typing import final

from clipper._core.model_runtime import ModelRuntime
from clipper._core.replica import Replica
from clipper._core.rpc_sender import RpcSender
from clipper._core.rpc_transport import RpcTransport
from clipper.types import ReplicaListener

DEFAULT_HEARTBEAT_INTERVAL_US: int
DEFAULT_HEARTBEAT_TIMEOUT_US: int
DEFAULT_OVERDUE_FLOOR_US: int

class ReplicaEvents:
    """What the owner of the queries is told; its methods exist in Cython alone."""

@final
class RpcServer(RpcSender):
    """The sessions of one worker's containers.

    Parameters
    ----------
    transports : sequence of RpcTransport
        Where containers connect.
    events : ReplicaEvents
        Told of results, failures and losses.
    listener : callable (replica_id, model, version, state, reason)
        Called at every change of a replica's state.
    heartbeat_interval_us : int
        How often :meth:`tick` is to be called.
    heartbeat_timeout_us : int
        A replica that is silent for longer is suspected: it gets no more batches, and its batch goes to others.
    overdue_floor_us : int
        A replica is suspected, too, if its batch takes ten times the predicted time, and at least this long.
    """

    replicas_by_id: dict[str, Replica]
    heartbeat_interval_us: int
    heartbeat_timeout_us: int
    overdue_floor_us: int
    protocol_errors: int
    late_results: int

    def __init__(
        self,
        transports: Sequence[RpcTransport],
        events: ReplicaEvents,
        listener: ReplicaListener,
        *,
        heartbeat_interval_us: int = ...,
        heartbeat_timeout_us: int = ...,
        overdue_floor_us: int = ...,
    ) -> None: ...
    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve on this loop."""

    def close(self) -> None:
        """Tell every container to finish and leave, and close the sockets."""

    def replica_gone(self, replica_id: str) -> None:
        """Its process has died, says who started it: faster than a missed heartbeat."""

    def warm_ready(self, model: ModelRuntime) -> None:
        """Have the ready replicas that have served nothing yet evaluate the model's sample, which is new."""

    def drain_replica(self, replica_id: str) -> None:
        """Ask a container to finish its batch and leave."""

    def tick(self, now_us: int) -> None:
        """Send heartbeats, suspect silent and overdue replicas. Called every heartbeat interval."""
