"""Outputs by input, within a byte budget, and single-flight evaluation: one object per frontend worker.

The query path uses it from C; the methods here say the same in Python, for tests and tools.
"""

from typing import Final, final

MISS: Final[int]
HIT: Final[int]
JOIN: Final[int]
KEY_BYTES: Final[int]
SEED_BYTES: Final[int]
"""Bytes of secret that the keyed hash needs."""

@final
class PredictionCacheHandle:
    """Owner of a prediction cache and of the hash that makes its keys.

    Not thread-safe: it belongs to the loop thread of its worker.

    Parameters
    ----------
    budget_bytes : int
        Most bytes that keys, entries, tables and outputs may take; 0, or too few for one entry, turns the cache off.
    seed : bytes, length SEED_BYTES, optional
        The hash's secret. None takes it from the operating system, which is right everywhere but in a test.

    Raises
    ------
    InvalidArgumentError
        If the seed has another length.
    MemoryError
        If the address space for the tables is refused.
    """

    def __new__(cls, budget_bytes: int, seed: bytes | None = None) -> PredictionCacheHandle: ...
    @property
    def budget_bytes(self) -> int: ...
    @property
    def enabled(self) -> bool:
        """Whether the budget holds any entry."""
    @property
    def capacity(self) -> int:
        """Entries and in-flight marks that it holds at most, whatever their size."""
    @property
    def hits(self) -> int: ...
    @property
    def joins(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def evictions(self) -> int:
        """Entries given up to make room; not the expired, replaced or removed ones."""
    @property
    def expirations(self) -> int:
        """Entries that a fetch found past their time."""
    @property
    def refusals(self) -> int:
        """Outputs that were not kept for lack of room."""
    @property
    def resident_entries(self) -> int: ...
    @property
    def resident_bytes(self) -> int:
        """Bytes of the resident entries, their overhead included."""
    @property
    def in_flight(self) -> int:
        """Evaluations that a fetch may join."""
    @property
    def memory_bytes(self) -> int:
        """Bytes of all that the budget covers: at most `budget_bytes`."""
    def key(self, model_uid: int, type_tag: int, element_count: int, data: bytes) -> bytes:
        """Return the key (KEY_BYTES bytes: low word, high word, little-endian) of one input."""
    def fetch(self, key: bytes, now_us: int) -> tuple[int, bytes | None, int | None]:
        """Return (HIT, output, None), (JOIN, None, slot of the evaluating task) or (MISS, None, None)."""
    def begin(self, key: bytes, model_uid: int, slot: int) -> None:
        """Mark the input as being evaluated in `slot`: after a miss, and before `put` or `abandon`."""
    def put(self, key: bytes, output: bytes, model_uid: int, expires_us: int = 0) -> None:
        """End the mark, if there is one, and keep the output, if the budget allows.

        Parameters
        ----------
        expires_us : int
            Not served from then on; 0 = never expires.
        """
    def abandon(self, key: bytes) -> None:
        """End the mark, if there is one: the evaluation failed, was dropped or lost."""
    def remove_model(self, model_uid: int) -> None:
        """Serve no output of this model version any more, and keep none that is still to come."""
    def reclaim(self, count: int) -> bool:
        """Free up to `count` entries of removed versions; return False if there were fewer.

        `begin` and `put` do this by the way; call it only with time to spare.
        """
    def check(self) -> None:
        """Walk all entries and lists.

        Raises
        ------
        InternalError
            If an invariant does not hold.
        """
