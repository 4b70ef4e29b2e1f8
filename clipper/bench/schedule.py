"""The arrivals of one run with its warm-up, and the keys of their inputs, as the load client maps them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipper.bench.arrivals import MAX_ARRIVALS, NS_PER_S, Arrivals, Offsets
from clipper.bench.keys import UNIQUE, Keys
from clipper.errors import InvalidArgumentError

# The warm-up has arrivals of its own: steps and traces begin where the measurement does, whatever came before.
WARMUP_SEED = 0x57A2_77ED
KEYS_SEED = 0x4B45_5953


@dataclass(frozen=True)
class Schedule:
    """When each request leaves, and what it asks.

    Parameters
    ----------
    offsets_ns : ndarray, shape (arrivals,), int64
        From the start of the warm-up.
    warmup_count : int
        How many of them are sent and not recorded.
    keys : ndarray, shape (arrivals,), int64, or None
        None: the nth arrival has the key n.
    """

    offsets_ns: Offsets
    warmup_count: int
    keys: Offsets | None

    @property
    def recorded_count(self) -> int:
        """Arrivals of the measurement."""
        return len(self.offsets_ns) - self.warmup_count

    def write(self, directory: Path) -> tuple[Path, Path | None]:
        """Write both; return the files of offsets and of keys."""
        offsets, keys = directory / "offsets", directory / "keys"
        self.offsets_ns.astype("<i8").tofile(offsets)
        if self.keys is None:
            return offsets, None
        self.keys.astype("<i8").tofile(keys)
        return offsets, keys


def make_schedule(
    arrivals: Arrivals,
    rate_per_s: float,
    duration_s: float,
    warmup_s: float = 0.0,
    seed: int = 1,
    keys: Keys = UNIQUE,
) -> Schedule:
    """Make the arrivals of a warm-up, of the same process from its beginning, and of the measurement after it.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its range, or both together are more than `MAX_ARRIVALS`.
    """
    measured = arrivals.offsets_ns(rate_per_s, duration_s, seed)
    warmup = np.empty(0, dtype=np.int64)
    if warmup_s > 0:
        warmup = arrivals.offsets_ns(rate_per_s, warmup_s, seed ^ WARMUP_SEED)
    if len(measured) + len(warmup) > MAX_ARRIVALS:
        raise InvalidArgumentError(
            f"{rate_per_s:g} requests/s for {warmup_s:g} + {duration_s:g} s are more than {MAX_ARRIVALS} arrivals"
        )
    # As the client rounds: an arrival of the measurement must not fall into its warm-up.
    offsets = np.concatenate([warmup, measured + int(warmup_s * NS_PER_S)])
    return Schedule(offsets, len(warmup), keys.keys(len(offsets), seed ^ KEYS_SEED))
