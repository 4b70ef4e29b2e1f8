"""Slot pools: the predict tasks of a worker, queued and in flight. The algorithm is in slot_pool.hpp."""

from typing import final

from typing_extensions import Buffer

DEFAULT_SLOT_COUNT: int
DEFAULT_ARENA_BYTES: int

@final
class PoolMemory:
    """Memory of a pool or a queue: private and lazily touched, or a writable buffer of the caller."""

    @property
    def size_bytes(self) -> int: ...

@final
class SlotPoolHandle:
    """The predict tasks of one worker, in private memory or in memory shared with other workers.

    The owner (one worker, one thread) acquires, publishes through ``BatchQueue``, drains and releases; other processes
    attach to claim and complete. Methods here are for tests and tools: the data path uses ``pool`` from Cython.

    Parameters
    ----------
    slot_count : int
        Tasks that may be queued or in flight at once, 1..262144.
    arena_bytes : int
        Memory for payloads, rounded down to whole 64-byte blocks. Pages never used cost nothing.
    worker : int
        The owner, 0..63.
    memory : writable buffer, optional
        Zero-filled and page-aligned, at least ``bytes_needed()``; None = private memory.

    Raises
    ------
    InvalidArgumentError
        If a limit is exceeded or the memory does not fit.
    """

    def __init__(
        self, slot_count: int = 16384, arena_bytes: int = 67108864, *, worker: int = 0, memory: Buffer | None = None
    ) -> None: ...
    @staticmethod
    def attach(memory: Buffer) -> SlotPoolHandle:
        """Open the pool that another process created in ``memory``; InvalidArgumentError if there is none."""

    @staticmethod
    def bytes_needed(slot_count: int, arena_bytes: int) -> int:
        """Size of the memory for a pool."""

    def acquire(self, payload: Buffer) -> int:
        """Copy ``payload`` into a free slot and return its index; -1 if there is no slot or no memory for it."""

    def set_deadlines(self, slot: int, deadline_us: int, drop_deadline_us: int) -> None:
        """Set the earliest waiter's deadline (order of service) and the latest one's (when to drop)."""

    def payload(self, slot: int) -> bytes:
        """Copy of the input; only for who holds the slot."""

    def result(self, slot: int) -> int:
        """Return what the claimer completed the slot with; only for the owner, after ``drain()``."""

    def release(self, slot: int) -> bool:
        """Free an acquired, a drained or an own claimed slot; False for one that is queued or somebody else's."""

    def drain(self) -> list[int]:
        """Slots completed since the last call, each once."""

    def recover(self) -> None:
        """Take over from the owner's dead life: free what nobody waits for, rebuild the lists."""

    @property
    def worker(self) -> int: ...
    @property
    def slot_count(self) -> int: ...
    @property
    def in_use(self) -> int:
        """Slots not free, seen by the owner."""

    @property
    def arena_used_bytes(self) -> int:
        """Payload memory in use, in whole blocks, seen by the owner."""
