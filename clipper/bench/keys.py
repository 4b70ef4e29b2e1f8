"""Which input each arrival asks for: the number that goes into a request's hole, and chooses among several requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from clipper.errors import InvalidArgumentError

MAX_KEYS = 10_000_000
"""Of a Zipf distribution: its table is 8 bytes a key."""


class Keys(ABC):
    """A sequence of keys, 0 or more; the same arguments give the same keys."""

    kind: ClassVar[str]

    @abstractmethod
    def keys(self, count: int, seed: int) -> NDArray[np.int64] | None:
        """Return one key for each of `count` arrivals, or None for 0, 1, 2 and so on."""


@dataclass(frozen=True)
class Unique(Keys):
    """Each input once: no cache can know an answer."""

    kind: ClassVar[str] = "unique"

    def keys(self, count: int, seed: int) -> NDArray[np.int64] | None:
        """None: the nth arrival has the key n."""
        return None

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Repeated(Keys):
    """Each input `times` times in a row: duplicates that are under way together."""

    times: int
    kind: ClassVar[str] = "repeated"

    def __post_init__(self) -> None:
        if self.times < 1:
            raise InvalidArgumentError(f"times is {self.times!r}, expected an integer of 1 or more")

    def keys(self, count: int, seed: int) -> NDArray[np.int64] | None:
        """Return 0 so many times, then 1, and so on."""
        return np.arange(count, dtype=np.int64) // self.times

    def __str__(self) -> str:
        return f"{self.kind}:times={self.times}"


@dataclass(frozen=True)
class Zipf(Keys):
    """Hot keys: the kth of `n` keys is asked for with a probability in proportion to 1 / k^s.

    Parameters
    ----------
    n : int
        1 to `MAX_KEYS`.
    s : float
        0 is uniform; web traffic has about 1.
    """

    n: int
    s: float = 1.0
    kind: ClassVar[str] = "zipf"

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MAX_KEYS:
            raise InvalidArgumentError(f"n is {self.n!r}, expected an integer from 1 to {MAX_KEYS}")
        if not 0 <= self.s <= 10:
            raise InvalidArgumentError(f"s is {self.s!r}, expected a number from 0 to 10")

    def keys(self, count: int, seed: int) -> NDArray[np.int64] | None:
        """Return keys drawn independently, 0 the hottest."""
        weights: NDArray[np.float64] = np.cumsum(np.arange(1, self.n + 1, dtype=np.float64) ** -self.s)
        drawn = np.random.Generator(np.random.PCG64(seed)).random(count) * weights[-1]
        keys: NDArray[np.int64] = np.searchsorted(weights, drawn, side="right").astype(np.int64)
        return np.minimum(keys, self.n - 1)

    def __str__(self) -> str:
        return f"{self.kind}:n={self.n},s={self.s:g}"


UNIQUE = Unique()


def parse_keys(text: str) -> Keys:
    """Read `unique`, `repeated:times=4` or `zipf:n=10000,s=1.1`.

    Raises
    ------
    InvalidArgumentError
        If it is none of these.
    """
    kind, _, rest = text.strip().partition(":")
    given = dict(part.partition("=")[::2] for part in rest.split(",") if part)
    try:
        if kind == "unique" and not rest:
            return UNIQUE
        if kind == "repeated" and set(given) == {"times"}:
            return Repeated(int(given["times"]))
        if kind == "zipf" and {"n"} <= set(given) <= {"n", "s"}:
            return Zipf(int(given["n"]), float(given.get("s", "1")))
    except ValueError:
        pass  # a number that is none: as wrong as a name that is none
    raise InvalidArgumentError(f"keys {text!r}: expected unique, repeated:times=INTEGER or zipf:n=INTEGER,s=NUMBER")
