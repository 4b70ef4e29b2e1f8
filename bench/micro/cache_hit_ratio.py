"""Hit ratio of the prediction cache beside CLOCK (the Clipper paper's policy), LRU and SIEVE on synthetic traces.

All hold the same number of entries: the cache is filled with outputs of one size first, and its own count of resident
entries is given to the others. Usage: ``python -m bench.micro.cache_hit_ratio [requests]``.
"""

from __future__ import annotations

import bisect
import itertools
import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clipper._core.prediction_cache import MISS, SEED_BYTES, PredictionCacheHandle

BUDGETS_BYTES = (64 << 10, 256 << 10)
OUTPUT = b"1"


@dataclass(frozen=True)
class Trace:
    """Zipf-distributed keys, some requests replaced by keys that never return, popularity shifting or not."""

    exponent: float
    unique_ratio: float
    shift_requests: int = 0  # after so many requests a tenth of the keys is new; 0 = never
    keys: int = 20_000

    def requests(self, count: int) -> Iterator[int]:
        generator = random.Random(1)
        weights = list(itertools.accumulate(1 / rank**self.exponent for rank in range(1, self.keys + 1)))
        unique = itertools.count(10**12)
        for i in range(count):
            if generator.random() < self.unique_ratio:
                yield next(unique)
            else:
                shift = i // self.shift_requests * (self.keys // 10) if self.shift_requests else 0
                yield bisect.bisect_left(weights, generator.random() * weights[-1]) + shift


def ours(trace: Iterator[int], budget_bytes: int) -> tuple[int, int]:
    """Return hits and resident entries at the end."""
    cache = PredictionCacheHandle(budget_bytes, random.Random(2).randbytes(SEED_BYTES))
    for key in trace:
        cache_key = cache.key(1, 1, 1, key.to_bytes(8, "little"))
        if cache.fetch(cache_key, 0)[0] == MISS:
            cache.begin(cache_key, 1, 0)
            cache.put(cache_key, OUTPUT, 1)
    return cache.hits, cache.resident_entries


def lru(trace: Iterator[int], capacity: int) -> int:
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in trace:
        if key in held:
            hits += 1
            held.move_to_end(key)
            continue
        if len(held) == capacity:
            held.popitem(last=False)
        held[key] = None
    return hits


def clock(trace: Iterator[int], capacity: int) -> int:
    ring: deque[int] = deque()
    visited: dict[int, bool] = {}
    hits = 0
    for key in trace:
        if key in visited:
            hits += 1
            visited[key] = True
            continue
        while len(ring) == capacity:
            oldest = ring.popleft()
            if visited[oldest]:
                visited[oldest] = False
                ring.append(oldest)
            else:
                del visited[oldest]
        visited[key] = False
        ring.append(key)
    return hits


def sieve(trace: Iterator[int], capacity: int) -> int:
    newer: dict[int, int | None] = {}
    older: dict[int, int | None] = {}
    visited: dict[int, bool] = {}
    newest: int | None = None
    oldest: int | None = None
    hand: int | None = None
    hits = 0
    for key in trace:
        if key in visited:
            hits += 1
            visited[key] = True
            continue
        if len(visited) == capacity and oldest is not None:
            victim = oldest if hand is None else hand
            while visited[victim]:
                visited[victim] = False
                after = newer[victim]
                victim = oldest if after is None else after
            hand, before = newer.pop(victim), older.pop(victim)
            del visited[victim]
            if hand is None:
                newest = before
            else:
                older[hand] = before
            if before is None:
                oldest = hand
            else:
                newer[before] = hand
        if newest is not None:
            newer[newest] = key
        visited[key], newer[key], older[key] = False, None, newest
        newest = key
        oldest = key if oldest is None else oldest
    return hits


OTHERS: dict[str, Callable[[Iterator[int], int], int]] = {"CLOCK": clock, "LRU": lru, "SIEVE": sieve}
TRACES = [Trace(exponent, unique) for exponent in (0.7, 0.9, 1.1) for unique in (0.0, 0.5, 0.9)]
TRACES += [Trace(0.9, unique, shift_requests=30_000) for unique in (0.0, 0.5)]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    print(f"{'zipf':>5} {'unique':>6} {'shift':>6} {'entries':>7} {'Clipper':>8}", *(f"{name:>7}" for name in OTHERS))
    for trace in TRACES:
        for budget_bytes in BUDGETS_BYTES:
            hits, capacity = ours(trace.requests(count), budget_bytes)
            ratios = [hits / count] + [policy(trace.requests(count), capacity) / count for policy in OTHERS.values()]
            print(
                f"{trace.exponent:>5} {trace.unique_ratio:>6} {trace.shift_requests:>6} {capacity:>7}",
                f"{ratios[0]:>8.4f}",
                *(f"{ratio:>7.4f}" for ratio in ratios[1:]),
            )


if __name__ == "__main__":
    main()
