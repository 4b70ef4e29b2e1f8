"""Sessions with containers: who is there, who may be given a batch, what came back."""

import asyncio
from collections.abc import Sequence
from typing import final

from clipper._core.model_runtime import ModelRuntime
from clipper._core.replica import Replica
from clipper._core.rpc_liveness import RpcLiveness
from clipper._core.rpc_offences import OffenceLog
from clipper._core.rpc_sender import RpcSender
from clipper._core.rpc_transport import RpcTransport
from clipper.types import ReplicaListener

DEFAULT_HEARTBEAT_INTERVAL_US: int

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
    liveness : RpcLiveness
        Says who is to be suspected: such a replica gets no more batches, and what it holds goes to others.
    heartbeat_interval_us : int
        How often a sign of life is sent to each container.
    """

    replicas_by_id: dict[str, Replica]
    heartbeat_interval_us: int
    liveness: RpcLiveness
    offences: OffenceLog
    late_results: int

    def __init__(
        self,
        transports: Sequence[RpcTransport],
        events: ReplicaEvents,
        listener: ReplicaListener,
        liveness: RpcLiveness,
        *,
        heartbeat_interval_us: int = ...,
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
        """Suspect silent and overdue replicas; send heartbeats if they are due. Called every look interval."""
