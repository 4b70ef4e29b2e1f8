"""The queue of one model version, merged by deadline. The algorithm is in batch_queue.hpp."""

from collections.abc import Sequence
from typing import final

from typing_extensions import Buffer

from clipper._core.slot_pool import SlotPoolHandle

@final
class BatchQueue:
    """The queue of one model version: what waits for a batch, taken in order of deadline.

    One object is one worker's view; the rings lie in private memory, or in memory that the workers share. The data path
    calls ``push``, ``pop_batch``, ``complete`` and ``requeue`` from Cython; the methods here check their arguments and
    serve tests and tools.

    Parameters
    ----------
    pools : sequence of SlotPoolHandle
        The pool of every worker, in order of worker.
    worker : int
        Whose view this is: it pushes from ``pools[worker]`` and claims in its name.
    incarnation : int
        Which life of the worker, counted by whoever restarts it; modulo 16384.
    queue_id : int
        Tells this queue's slots from those of other queues over the same pools.
    ring_capacity : int
        Tasks that may wait per worker and SLO class, a power of two; 0 = the slots of the largest pool, rounded up.
    memory : writable buffer, optional
        Zero-filled and page-aligned, or already holding this queue; None = private memory.

    Raises
    ------
    InvalidArgumentError
        If a limit is exceeded, the memory does not fit, or the queue in it has another shape.
    """

    def __init__(
        self,
        pools: Sequence[SlotPoolHandle],
        *,
        worker: int = 0,
        incarnation: int = 0,
        queue_id: int = 0,
        ring_capacity: int = 0,
        memory: Buffer | None = None,
    ) -> None: ...
    @staticmethod
    def bytes_needed(worker_count: int, ring_capacity: int) -> int:
        """Size of the memory for the rings."""

    @staticmethod
    def split(slot: int) -> tuple[int, int]:
        """Worker and index of a slot id."""

    def push_slot(self, slot: int, slo_us: int) -> bool:
        """Queue an acquired slot (index in the own pool); False if the ring is full."""

    def requeue_slot(self, slot: int) -> bool:
        """Give a claimed slot (id) back to the queue; False if it is not held or the requeue ring is full."""

    def complete_slot(self, slot: int, result: int = 0) -> bool:
        """Hand a claimed slot (id) back to its origin with a result; False if it is not held."""

    def withdraw_slot(self, slot: int) -> bool:
        """Claim a queued slot of the own pool that nobody waits for any more; False if it is not queued."""

    def pop(
        self, max_size: int, now_us: int = 0, *, base_us: int = 0, per_item_us: float = 0.0
    ) -> tuple[list[int], list[int]]:
        """Claim a batch; returns the slot ids of the batch and of the dropped."""

    def sweep(self, worker: int, incarnation: int) -> bool:
        """Requeue what a dead claimer held; False if the requeue ring filled up (pop some and call again)."""

    def __len__(self) -> int:
        """Tasks that wait; with several workers an upper bound of a moment ago."""
