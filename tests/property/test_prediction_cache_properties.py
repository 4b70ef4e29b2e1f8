"""The prediction cache and its twin answer alike, call for call."""

from __future__ import annotations

import hashlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clipper._core.prediction_cache import PredictionCacheHandle
from tests.support.prediction_cache_twin import PredictionCacheTwin

# Few keys, so that they meet again; a prefix of zeros makes them collide in index and ghost, hashing spreads them.
KEYS = [i.to_bytes(1, "little") + bytes(15) for i in range(12)] + [
    hashlib.blake2b(bytes([i]), digest_size=16).digest() for i in range(36)
]
keys = st.sampled_from(KEYS)
models = st.integers(min_value=0, max_value=2)
outputs = st.one_of(st.binary(max_size=8), st.integers(min_value=0, max_value=1200).map(bytes))


class CacheMachine(RuleBasedStateMachine):
    """Every call goes to both; time only moves forward."""

    @initialize(budget_bytes=st.one_of(st.sampled_from([0, 1, 200]), st.integers(min_value=400, max_value=6_000)))
    def start(self, budget_bytes: int) -> None:
        self.cache = PredictionCacheHandle(budget_bytes, bytes(1168))
        self.twin = PredictionCacheTwin(budget_bytes)
        self.now_us = 1
        self.uids = [0, 1, 2]  # the present version of each model

    @rule(key=keys, repeat=st.integers(min_value=1, max_value=4))
    def fetch(self, key: bytes, repeat: int) -> None:
        for _ in range(repeat):
            assert self.cache.fetch(key, self.now_us) == self.twin.fetch(key, self.now_us)

    @rule(key=keys, model=models, slot=st.integers(min_value=0, max_value=2**32 - 1))
    def begin(self, key: bytes, model: int, slot: int) -> None:
        self.cache.begin(key, self.uids[model], slot)
        self.twin.begin(key, self.uids[model], slot)

    @rule(key=keys, model=models, output=outputs, life_us=st.sampled_from([0, 0, 0, 1, 10]))
    def put(self, key: bytes, model: int, output: bytes, life_us: int) -> None:
        expires_us = self.now_us + life_us if life_us else 0
        self.cache.put(key, output, self.uids[model], expires_us)
        self.twin.put(key, output, self.uids[model], expires_us)

    @rule(start=st.integers(min_value=0, max_value=47), count=st.integers(min_value=1, max_value=40), model=models)
    def ask_many(self, start: int, count: int, model: int) -> None:
        for i in range(start, start + count):
            key = KEYS[i % len(KEYS)]
            answer = self.cache.fetch(key, self.now_us)
            assert answer == self.twin.fetch(key, self.now_us)
            if answer[0] == 0:
                self.begin(key, model, i)
                self.put(key, model, b"%d" % i, 0)

    @rule(key=keys)
    def abandon(self, key: bytes) -> None:
        self.cache.abandon(key)
        self.twin.abandon(key)

    @rule(some=st.sets(models, min_size=1), new_version=st.sampled_from([True, True, True, False]))
    def remove_models(self, some: set[int], new_version: bool) -> None:
        for model in sorted(some):
            self.cache.remove_model(self.uids[model])
            self.twin.remove_model(self.uids[model])
            if new_version:
                self.uids[model] = max(self.uids) + 1

    @rule(count=st.integers(min_value=0, max_value=20))
    def reclaim(self, count: int) -> None:
        assert self.cache.reclaim(count) == self.twin.reclaim(count)

    @rule(by_us=st.integers(min_value=0, max_value=11))
    def advance(self, by_us: int) -> None:
        self.now_us += by_us

    @invariant()
    def counters_agree_and_budget_holds(self) -> None:
        cache, twin = self.cache, self.twin
        cache.check()
        assert cache.memory_bytes <= cache.budget_bytes
        assert (cache.hits, cache.joins, cache.misses) == (twin.hits, twin.joins, twin.misses)
        assert (cache.evictions, cache.expirations, cache.refusals) == (twin.evictions, twin.expirations, twin.refusals)
        assert cache.in_flight == twin.in_flight
        assert cache.resident_entries == len(twin.resident)
        assert cache.resident_bytes == sum(entry.cost_bytes for entry in twin.resident)
        assert cache.memory_bytes == cache.budget_bytes - twin.limit_bytes + twin.used_bytes


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(stateful_step_count=60)
