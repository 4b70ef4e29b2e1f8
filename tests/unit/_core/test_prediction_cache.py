"""What the query path relies on in the prediction cache, one claim at a time."""

from __future__ import annotations

import pytest

from clipper._core.prediction_cache import HIT, JOIN, MISS, SEED_BYTES, PredictionCacheHandle
from clipper.errors import InvalidArgumentError

ONE_US = 1


def key(i: int) -> bytes:
    return (i * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128).to_bytes(16, "little")


@pytest.fixture
def cache() -> PredictionCacheHandle:
    return PredictionCacheHandle(1 << 20)


def fill(cache: PredictionCacheHandle, keys: range, model_uid: int = 1, output: bytes = b"1") -> None:
    for i in keys:
        cache.put(key(i), output, model_uid)


def test_fetch_of_unknown_key_misses(cache: PredictionCacheHandle) -> None:
    assert cache.fetch(key(1), 0) == (MISS, None, None)


def test_fetch_while_in_flight_joins_the_evaluating_slot(cache: PredictionCacheHandle) -> None:
    cache.begin(key(1), 1, 77)
    assert cache.fetch(key(1), 0) == (JOIN, None, 77)
    assert cache.in_flight == 1


def test_put_ends_the_mark_and_serves_the_output(cache: PredictionCacheHandle) -> None:
    cache.begin(key(1), 1, 77)
    cache.put(key(1), b'{"class": 3}', 1)
    assert cache.fetch(key(1), 0) == (HIT, b'{"class": 3}', None)
    assert (cache.in_flight, cache.resident_entries) == (0, 1)


def test_late_output_without_a_mark_is_kept(cache: PredictionCacheHandle) -> None:
    cache.put(key(1), b"3", 1)
    assert cache.fetch(key(1), 0) == (HIT, b"3", None)


def test_abandoned_evaluation_is_a_miss_again(cache: PredictionCacheHandle) -> None:
    cache.begin(key(1), 1, 77)
    cache.abandon(key(1))
    assert cache.fetch(key(1), 0) == (MISS, None, None)
    assert cache.in_flight == 0


def test_abandon_leaves_a_resident_output(cache: PredictionCacheHandle) -> None:
    cache.put(key(1), b"3", 1)
    cache.abandon(key(1))
    assert cache.fetch(key(1), 0)[0] == HIT


def test_output_is_served_until_one_tick_before_it_expires(cache: PredictionCacheHandle) -> None:
    cache.put(key(1), b"3", 1, expires_us=1_000)
    assert cache.fetch(key(1), 1_000 - ONE_US)[0] == HIT
    assert cache.fetch(key(1), 1_000)[0] == MISS
    assert (cache.expirations, cache.resident_entries) == (1, 0)


def test_second_put_replaces_the_output(cache: PredictionCacheHandle) -> None:
    cache.put(key(1), b"3", 1)
    cache.put(key(1), b"a longer output than before, of another size class", 1)
    assert cache.fetch(key(1), 0)[1] == b"a longer output than before, of another size class"
    assert cache.resident_entries == 1


def test_removed_version_is_not_served_nor_counted(cache: PredictionCacheHandle) -> None:
    fill(cache, range(1_000), model_uid=1)
    fill(cache, range(1_000, 1_500), model_uid=2)
    cache.remove_model(1)
    assert cache.resident_entries == 500
    assert all(cache.fetch(key(i), 0)[0] == MISS for i in range(1_000))
    assert all(cache.fetch(key(i), 0)[0] == HIT for i in range(1_000, 1_500))


def test_entries_of_removed_version_go_before_any_live_one(cache: PredictionCacheHandle) -> None:
    fill(cache, range(4_000), model_uid=1)
    fill(cache, range(4_000, 8_000), model_uid=2)
    cache.remove_model(1)
    fill(cache, range(8_000, 8_400), model_uid=2)
    assert cache.evictions == 0 and cache.resident_entries == 4_400


def test_memory_of_removed_version_is_freed_by_later_calls(cache: PredictionCacheHandle) -> None:
    before_bytes = cache.memory_bytes
    fill(cache, range(1_000), model_uid=1)
    cache.remove_model(1)
    while cache.reclaim(100):
        cache.check()
    assert cache.memory_bytes == before_bytes


def test_output_of_version_removed_in_flight_is_ignored(cache: PredictionCacheHandle) -> None:
    cache.begin(key(1), 1, 5)
    cache.remove_model(1)
    assert cache.fetch(key(1), 0) == (JOIN, None, 5)
    cache.put(key(1), b"3", 1)
    assert cache.fetch(key(1), 0)[0] == MISS
    assert (cache.resident_entries, cache.in_flight, cache.refusals) == (0, 0, 0)


def test_late_output_of_removed_version_without_mark_is_ignored(cache: PredictionCacheHandle) -> None:
    cache.remove_model(1)
    cache.put(key(1), b"3", 1)
    assert cache.fetch(key(1), 0)[0] == MISS


def test_output_larger_than_the_budget_is_not_kept_and_evicts_nothing(cache: PredictionCacheHandle) -> None:
    fill(cache, range(100))
    cache.begin(key(100), 1, 5)
    cache.put(key(100), bytes(2 << 20), 1)
    assert cache.fetch(key(100), 0)[0] == MISS
    assert (cache.evictions, cache.refusals, cache.in_flight, cache.resident_entries) == (0, 1, 0, 100)


def test_popular_entries_survive_a_flood_of_unique_ones(cache: PredictionCacheHandle) -> None:
    popular = range(200)
    fill(cache, popular)
    for i in range(1_000, 41_000):
        cache.fetch(key(i), 0)
        cache.put(key(i), b"1", 1)
        if i % 50 == 0:
            for j in popular:
                cache.fetch(key(j), 0)
    assert cache.evictions > 30_000
    assert all(cache.fetch(key(j), 0)[0] == HIT for j in popular)


def test_marks_alone_never_exceed_the_budget() -> None:
    cache = PredictionCacheHandle(4_000)
    for i in range(1_000):
        cache.begin(key(i), 1, i)
        assert cache.memory_bytes <= 4_000
    assert 0 < cache.in_flight <= cache.capacity
    cache.put(key(999), b"1", 1)
    cache.check()


@pytest.mark.parametrize("budget_bytes", [0, 1, 150])
def test_cache_without_room_for_an_entry_is_disabled(budget_bytes: int) -> None:
    cache = PredictionCacheHandle(budget_bytes)
    cache.begin(key(1), 1, 5)
    assert cache.fetch(key(1), 0)[0] == MISS
    cache.put(key(1), b"3", 1)
    cache.remove_model(1)
    assert cache.fetch(key(1), 0)[0] == MISS
    assert not cache.enabled and cache.misses == 2
    cache.check()


def test_seed_of_wrong_length_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=str(SEED_BYTES)):
        PredictionCacheHandle(1 << 20, b"short")


def test_key_of_wrong_length_is_refused(cache: PredictionCacheHandle) -> None:
    with pytest.raises(InvalidArgumentError, match="16"):
        cache.fetch(b"short", 0)
