"""The keyed hash of the prediction cache, said slowly in big integers."""

from __future__ import annotations

BLOCK_BYTES = 1024
SEED_BYTES = BLOCK_BYTES + 16 + 8 * 16
P = 2**127 - 1
MASK61 = 2**61 - 1
MASK64 = 2**64 - 1


def _words(data: bytes) -> list[int]:
    padded = data + bytes(-len(data) % 16)
    return [int.from_bytes(padded[i : i + 8], "little") for i in range(0, len(padded), 8)]


def _fold(x: int, odd: int) -> int:
    return (x * odd & MASK64) ^ (x * odd >> 64)


def keyed_hash(seed: bytes, model_uid: int, type_tag: int, element_count: int, data: bytes) -> tuple[int, int]:
    """Return (low, high) of the key, by the formula at the top of ``keyed_hash.hpp``."""
    words = _words(seed[:SEED_BYTES])
    k, limbs = words[:130], words[130:]
    g = [(limbs[i] & MASK61) + ((limbs[i + 1] & MASK61) << 61) for i in range(0, 16, 2)]
    header = model_uid * g[4] + element_count * g[5] + (type_tag + (len(data) << 32)) * g[6]
    coefficients = []
    for start in range(0, len(data), BLOCK_BYTES):
        m = _words(data[start : start + BLOCK_BYTES])
        a = b = 0
        for i in range(0, len(m), 2):
            a += ((m[i] + k[i]) & MASK64) * ((m[i + 1] + k[i + 1]) & MASK64)
            b += ((m[i] + k[i + 2]) & MASK64) * ((m[i + 1] + k[i + 3]) & MASK64)
        a, b = a % 2**128, b % 2**128
        coefficients.append((a & MASK64) * g[0] + (a >> 64) * g[1] + (b & MASK64) * g[2] + (b >> 64) * g[3])
    coefficients = coefficients or [0]
    coefficients[0] += header
    h = 0
    for coefficient in coefficients:
        h = (h * g[7] + coefficient) % P
    low, high = h & MASK64, h >> 64
    high ^= _fold(low, 0x9E3779B97F4A7C15)
    low ^= _fold(high, 0xD6E8FEB86659FD93)
    high ^= _fold(low, 0xA0761D6478BD642F)
    return low, high
