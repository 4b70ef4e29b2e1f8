"""One running container of a model version, as the worker that owns it sees it."""

from typing import final

from clipper._core.batch_size import BatchSizeController
from clipper._core.finish_model import FinishModel
from clipper._core.model_runtime import ModelRuntime
from clipper._core.rpc_transport import RpcTransport

@final
class Replica:
    """A registered container: its session, what is known of its speed, the batches it has in hand.

    Parameters
    ----------
    nonce : str
        Random per container process: tells a reconnect from an impostor.
    transport : RpcTransport
        On which it is connected.
    identity : bytes
        Of its present connection there.
    """

    replica_id: str
    nonce: str
    transport: RpcTransport
    identity: bytes
    model: ModelRuntime
    controller: BatchSizeController
    finish_model: FinishModel
    batches: int
    items: int
    failed_batches: int

    def __init__(
        self,
        replica_id: str,
        nonce: str,
        transport: RpcTransport,
        identity: bytes,
        model: ModelRuntime,
        controller: BatchSizeController,
        finish_model: FinishModel,
    ) -> None: ...
    @property
    def state(self) -> str:
        """The session's state in the words of the control channel: "loading", "ready", ..."""

    @property
    def is_ready(self) -> bool:
        """Whether it may be given a batch."""

    @property
    def items_in_flight(self) -> int:
        """Queries in the batches that it has in hand; 0 when idle."""

    @property
    def batches_in_flight(self) -> int:
        """Batches that it has in hand: none, one in service, or one more that was sent ahead."""
