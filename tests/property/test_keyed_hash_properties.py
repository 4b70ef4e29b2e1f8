"""The keyed hash: equal to its formula in big integers, and everything that decides an answer is bound into it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper._core.prediction_cache import SEED_BYTES, PredictionCacheHandle
from tests.support.keyed_hash_twin import keyed_hash

U32 = 2**32 - 1
U64 = 2**64 - 1
LENGTHS = [0, 1, 7, 8, 15, 16, 17, 31, 32, 1007, 1008, 1009, 1023, 1024, 1025, 2047, 2048, 2049, 6272]
seeds = st.one_of(
    st.sampled_from([bytes(SEED_BYTES), b"\xff" * SEED_BYTES]),
    st.integers(min_value=0, max_value=U64).map(lambda n: random.Random(n).randbytes(SEED_BYTES)),
)
inputs = st.one_of(
    st.binary(max_size=80),
    st.builds(lambda n, seed: random.Random(seed).randbytes(n), st.sampled_from(LENGTHS), st.integers(0, U64)),
    st.builds(lambda n, byte: bytes([byte]) * n, st.sampled_from(LENGTHS), st.sampled_from([0, 255])),
)


@pytest.fixture(scope="module")
def cache() -> PredictionCacheHandle:
    return PredictionCacheHandle(0, random.Random(1).randbytes(SEED_BYTES))


@given(seed=seeds, uid=st.integers(0, U64), tag=st.integers(0, U32), count=st.integers(0, U64), data=inputs)
def test_key_equals_the_formula_in_big_integers(seed: bytes, uid: int, tag: int, count: int, data: bytes) -> None:
    low, high = keyed_hash(seed, uid, tag, count, data)
    key = PredictionCacheHandle(0, seed).key(uid, tag, count, data)
    assert key == low.to_bytes(8, "little") + high.to_bytes(8, "little")


@pytest.mark.parametrize("length", LENGTHS)
def test_key_depends_on_every_bit_of_the_input(cache: PredictionCacheHandle, length: int) -> None:
    data = bytearray(random.Random(length).randbytes(length))
    seen = {cache.key(1, 2, 3, bytes(data))}
    for bit in range(8 * length):
        data[bit // 8] ^= 1 << bit % 8
        seen.add(cache.key(1, 2, 3, bytes(data)))
        data[bit // 8] ^= 1 << bit % 8
    assert len(seen) == 8 * length + 1


@pytest.mark.parametrize("length", LENGTHS)
def test_key_differs_when_zeros_are_appended(cache: PredictionCacheHandle, length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert len({cache.key(1, 2, 3, data + bytes(zeros)) for zeros in range(40)}) == 40
    assert len({cache.key(1, 2, 3, bytes(zeros)) for zeros in range(length, length + 40)}) == 40


def test_key_depends_on_every_bit_of_model_type_and_count(cache: PredictionCacheHandle) -> None:
    headers = [(0, 0, 0)]
    headers += [(1 << bit, 0, 0) for bit in range(64)]
    headers += [(0, 1 << bit, 0) for bit in range(32)]
    headers += [(0, 0, 1 << bit) for bit in range(64)]
    for data in (b"", b"abc", bytes(16)):
        assert len({cache.key(*header, data) for header in headers}) == len(headers)


def test_key_depends_on_the_seed() -> None:
    assert PredictionCacheHandle(0).key(1, 2, 3, b"x") != PredictionCacheHandle(0).key(1, 2, 3, b"x")


def test_one_flipped_input_bit_flips_each_key_bit_half_of_the_time(cache: PredictionCacheHandle) -> None:
    generator = random.Random(3)
    flips = [0] * 128
    rounds = 4_000
    for _ in range(rounds):
        data = bytearray(generator.randbytes(24))
        before = int.from_bytes(cache.key(1, 2, 3, bytes(data)), "little")
        bit = generator.randrange(192)
        data[bit // 8] ^= 1 << bit % 8
        changed = before ^ int.from_bytes(cache.key(1, 2, 3, bytes(data)), "little")
        for i in range(128):
            flips[i] += changed >> i & 1
    # 8 standard deviations of a fair coin: sqrt(4000) / 2 = 32
    assert all(abs(count - rounds / 2) < 8 * 32 for count in flips)


@pytest.mark.parametrize("shift", [0, 16, 32, 48, 64, 80, 96, 112])
def test_keys_of_a_counter_spread_evenly(cache: PredictionCacheHandle, shift: int) -> None:
    keys = 65_536
    slots = Counter(
        int.from_bytes(cache.key(1, 2, 1, i.to_bytes(8, "little")), "little") >> shift & 0xFF for i in range(keys)
    )
    # chi-square with 255 degrees of freedom: mean 255, standard deviation 22.6
    chi_square = sum((slots[i] - keys / 256) ** 2 / (keys / 256) for i in range(256))
    assert 255 - 6 * 22.6 < chi_square < 255 + 8 * 22.6


def test_half_keys_of_many_inputs_do_not_collide(cache: PredictionCacheHandle) -> None:
    keys = [cache.key(1, 2, 1, i.to_bytes(8, "little")) for i in range(200_000)]
    assert len({key[:8] for key in keys}) == len({key[8:] for key in keys}) == len(keys)
