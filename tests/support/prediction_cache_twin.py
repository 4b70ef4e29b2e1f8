"""The prediction cache in obvious Python: the same policy and the same arithmetic, with lists and linear searches.

What stands at the top of ``prediction_cache.hpp`` is said here once more, slowly: S3-FIFO within a byte budget,
single-flight marks, expiry, and removed model versions whose entries are freed a few at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MISS, HIT, JOIN = 0, 1, 2
ENTRY_BYTES = 72
MIN_OUTPUT_BYTES = 32
INDEX_SLOT_BYTES = 8
GHOST_BUCKET_SLOTS = 8
GHOST_BUCKET_BYTES = 64
MAX_FREQUENCY = 3
MAX_EVICTIONS = 256
MAX_SECOND_CHANCES = 512
RECLAIM_PER_CALL = 8


def output_cost_bytes(output: bytes) -> int:
    return max(MIN_OUTPUT_BYTES, (8 + len(output) + 8 + 15) // 16 * 16)


def fixed_bytes(capacity: int) -> int:
    index_slots = capacity + capacity // 2 + 1 if capacity else 0
    return index_slots * INDEX_SLOT_BYTES + -(-capacity // GHOST_BUCKET_SLOTS) * GHOST_BUCKET_BYTES


def capacity_of(budget_bytes: int) -> int:
    capacity = budget_bytes // (ENTRY_BYTES + MIN_OUTPUT_BYTES + 12 + 8)
    while capacity > 0 and fixed_bytes(capacity) + ENTRY_BYTES > budget_bytes:
        capacity -= 1
    return capacity


@dataclass(eq=False)
class Entry:
    key: bytes
    model_uid: int
    slot: int | None = None  # in flight, if not None
    output: bytes = b""
    expires_us: int = 0
    frequency: int = 0

    @property
    def cost_bytes(self) -> int:
        return ENTRY_BYTES + (output_cost_bytes(self.output) if self.slot is None else 0)


@dataclass
class Model:
    entries: list[Entry] = field(default_factory=list)  # resident ones, oldest first
    removed: bool = False


class Ghost:
    """Fingerprints of the keys that lately left the small queue unread."""

    def __init__(self, capacity: int) -> None:
        self.buckets: list[list[tuple[int, int] | None]] = [
            [None] * GHOST_BUCKET_SLOTS for _ in range(-(-capacity // GHOST_BUCKET_SLOTS))
        ]
        self.now = 0

    def _place(self, key: bytes) -> tuple[list[tuple[int, int] | None], int]:
        low = int.from_bytes(key[:8], "little")
        return self.buckets[(low >> 32) * len(self.buckets) >> 32], low & 0xFFFFFFFF

    def remember(self, key: bytes) -> None:
        bucket, fingerprint = self._place(key)
        times = [-1 if slot is None else slot[1] for slot in bucket]
        self.now += 1
        bucket[times.index(min(times))] = (fingerprint, self.now)

    def recall(self, key: bytes, max_age: int) -> bool:
        bucket, fingerprint = self._place(key)
        for i, slot in enumerate(bucket):
            if slot is not None and slot[0] == fingerprint:
                bucket[i] = None
                return self.now - slot[1] < max_age
        return False


class PredictionCacheTwin:
    """Same answers, call for call, as ``PredictionCacheHandle`` on the same budget."""

    def __init__(self, budget_bytes: int) -> None:
        self.capacity = capacity_of(budget_bytes)
        self.limit_bytes = budget_bytes - fixed_bytes(self.capacity)
        self.entries: dict[bytes, Entry] = {}
        self.small: list[Entry] = []  # oldest first
        self.main: list[Entry] = []
        self.ghost = Ghost(self.capacity)
        self.models: dict[int, Model] = {}
        self.removed: list[Model] = []  # last removed last
        self.hits = self.joins = self.misses = self.evictions = self.expirations = self.refusals = 0

    # -- what is there ---------------------------------------------------------------------------------------------

    @property
    def used_bytes(self) -> int:
        return sum(entry.cost_bytes for entry in self.entries.values())

    @property
    def resident(self) -> list[Entry]:
        return [entry for entry in self.small + self.main if not self.models[entry.model_uid].removed]

    @property
    def in_flight(self) -> int:
        return sum(entry.slot is not None for entry in self.entries.values())

    # -- the calls -------------------------------------------------------------------------------------------------

    def fetch(self, key: bytes, now_us: int) -> tuple[int, bytes | None, int | None]:
        entry = self.entries.get(key)
        if entry is not None and entry.slot is not None:
            entry.frequency = min(entry.frequency + 1, MAX_FREQUENCY)
            self.joins += 1
            return JOIN, None, entry.slot
        if entry is not None:
            removed = self.models[entry.model_uid].removed
            if not removed and (entry.expires_us == 0 or now_us < entry.expires_us):
                entry.frequency = min(entry.frequency + 1, MAX_FREQUENCY)
                self.hits += 1
                return HIT, entry.output, None
            self.expirations += not removed
            self._drop(entry)
        self.misses += 1
        return MISS, None, None

    def begin(self, key: bytes, model_uid: int, slot: int) -> None:
        if self.capacity == 0:
            return
        self.reclaim(RECLAIM_PER_CALL)
        if self.models.setdefault(model_uid, Model()).removed:
            return
        entry = self.entries.get(key)
        if entry is not None and entry.slot is None:
            if not self.models[entry.model_uid].removed:
                return
            self._drop(entry)
            entry = None
        if entry is not None:
            entry.model_uid, entry.slot = model_uid, slot
        elif self._make_room(ENTRY_BYTES, 1):
            self.entries[key] = Entry(key, model_uid, slot)

    def put(self, key: bytes, output: bytes, model_uid: int, expires_us: int = 0) -> None:
        if self.capacity == 0:
            return
        self.reclaim(RECLAIM_PER_CALL)
        entry = self.entries.get(key)
        if entry is not None and (entry.slot is None or self.models[entry.model_uid].removed):
            self._drop(entry)
            if entry.slot is not None:
                return
            entry = None
        model = self.models.setdefault(model_uid, Model())
        cost_bytes = output_cost_bytes(output) + (ENTRY_BYTES if entry is None else 0)
        if model.removed or not self._make_room(cost_bytes, int(entry is None)):
            self.refusals += not model.removed
            if entry is not None:
                self._drop(entry)
            return
        if entry is None:
            entry = self.entries[key] = Entry(key, model_uid)
        entry.model_uid, entry.slot, entry.output, entry.expires_us = model_uid, None, output, expires_us
        (self.main if self.ghost.recall(key, len(self.entries)) else self.small).append(entry)
        model.entries.append(entry)

    def abandon(self, key: bytes) -> None:
        entry = self.entries.get(key)
        if entry is not None and entry.slot is not None:
            self._drop(entry)

    def remove_model(self, model_uid: int) -> None:
        if self.capacity == 0:
            return
        model = self.models.setdefault(model_uid, Model())
        if not model.removed:
            model.removed = True
            self.removed.append(model)
            self.reclaim(RECLAIM_PER_CALL)

    def reclaim(self, count: int) -> bool:
        for _ in range(count):
            dead = [model for model in self.removed if model.entries]
            if not dead:
                return False
            self._drop(dead[-1].entries[-1])
        return True

    # -- the policy ------------------------------------------------------------------------------------------------

    def _drop(self, entry: Entry) -> None:
        del self.entries[entry.key]
        for group in (self.small, self.main, self.models[entry.model_uid].entries):
            if entry in group:
                group.remove(entry)

    def _make_room(self, cost_bytes: int, entries: int) -> bool:
        if cost_bytes > self.limit_bytes:
            return False
        self.second_chances = MAX_SECOND_CHANCES
        evicted = 0
        while self.used_bytes + cost_bytes > self.limit_bytes or len(self.entries) + entries > self.capacity:
            if evicted == MAX_EVICTIONS or not self._evict_one():
                return False
            evicted += 1
        return True

    def _evict_one(self) -> bool:
        if self.reclaim(1):
            return True
        while self.small or self.main:
            small_bytes = sum(entry.cost_bytes for entry in self.small)
            from_small = bool(self.small) and (not self.main or small_bytes >= self.limit_bytes // 10)
            entry = (self.small if from_small else self.main)[0]
            if entry.frequency == 0 or self.second_chances == 0:
                if from_small:
                    self.ghost.remember(entry.key)
                self._drop(entry)
                self.evictions += 1
                return True
            self.second_chances -= 1
            entry.frequency = 0 if from_small else entry.frequency - 1
            (self.small if from_small else self.main).remove(entry)
            self.main.append(entry)
        return False
