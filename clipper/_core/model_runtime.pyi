"""A model version on this worker: its batch queue, its replicas and its figures."""

from collections.abc import Sequence
from typing import Any, final

from clipper._core.batch_queue import BatchQueue
from clipper._core.replica import Replica

DEFAULT_MAX_BATCH_SIZE: int
UNLINKED_SLO_US: int

@final
class ModelRuntime:
    """A model version on this worker.

    Parameters
    ----------
    uid : int
        Part of the cache key; never used again, so that no stale output is found.
    queue : BatchQueue
        Where its tasks wait.
    """

    name: str
    version: str
    label: bytes
    input_type: str
    queue: BatchQueue
    replicas: list[Replica]
    controller_name: str
    batch_size: int
    max_batch_size: int
    slo_us: int
    cache_hits: int
    cache_joins: int
    cache_misses: int
    refused: int
    probe: bytes | None
    probe_must_succeed: bool

    def __init__(self, name: str, version: str, uid: int, queue: BatchQueue, *, input_type: str) -> None: ...
    def configure(self, *, controller: str, batch_size: int, max_batch_size: int, slo_us: int) -> None:
        """Set the batching options; replicas that are there take them over.

        Parameters
        ----------
        controller : {"aimd", "quantile", "fixed"}
            What decides the batch size.
        batch_size : int
            Size of "fixed"; 0 = 1.
        max_batch_size : int
            Ceiling of the others; 0 = 4096.
        slo_us : int
            The smallest SLO of the applications linked to the model; 0 = not linked.
        """

    def configure_tensor(self, dtype: str | None, shape: Sequence[int] | None) -> None:
        """Set the element type and shape that the linked application declares."""

    def configure_probe(self, data: bytes | None, must_succeed: bool) -> bool:
        """Set the sample that every replica evaluates before it gets a query.

        Parameters
        ----------
        data : bytes or None
            One input, as ``predict_body`` lays it out; None: no sample.
        must_succeed : bool
            Whether a replica that cannot evaluate it is refused; else it only had the chance to warm up.

        Returns
        -------
        bool
            Whether there was none before: replicas that are ready have not been warmed then.
        """

    def figures(self) -> dict[str, Any]:
        """Every counter and histogram of this model version, as plain values."""

    @property
    def model_id(self) -> str:
        """``name:version``."""

    @property
    def ready_replicas(self) -> int:
        """Replicas that may be given a batch."""

    @property
    def queue_depth(self) -> int:
        """Tasks that wait for a replica."""
