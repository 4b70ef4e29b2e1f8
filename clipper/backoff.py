"""Exponential backoff as a value: no clock, no sleep."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before something that failed is tried again.

    Parameters
    ----------
    min_us, max_us : int
        The first delay, and the one at which it stops doubling.
    stable_us : int
        A run that lasted at least this long ends the row of failures.
    failures : int
        Failures in a row so far.
    """

    min_us: int
    max_us: int
    stable_us: int
    failures: int = 0

    @property
    def delay_us(self) -> int:
        """The delay before the next attempt; 0 when nothing has failed."""
        if self.failures == 0:
            return 0
        # 2**62 us is past any limit: a long row of failures must not build a huge integer.
        return min(self.max_us, self.min_us << min(self.failures - 1, 62))

    def failed(self, lived_us: int) -> Backoff:
        """Return the backoff after a run of ``lived_us`` that ended in a failure."""
        row = 0 if lived_us >= self.stable_us else self.failures
        return replace(self, failures=row + 1)
