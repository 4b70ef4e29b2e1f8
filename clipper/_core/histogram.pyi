"""Logarithmic histogram: 32 buckets an octave, so a bucket is at most 1/32 wide relative to its lowest value."""

from typing import Final, final

SUB_BUCKETS: Final[int]
"""Buckets in one octave."""
BUCKETS: Final[int]
"""Buckets in all."""
MAX_VALUE: Final[int]
"""Larger values are recorded as this one."""

@final
class Histogram:
    """Count non-negative integers in logarithmic buckets.

    Fixed memory (7 kB), no allocation when recording. Not safe to share between threads.
    """

    @property
    def count(self) -> int:
        """How many values were recorded."""

    @property
    def sum(self) -> int:
        """Their exact sum (values above `MAX_VALUE` count as `MAX_VALUE`)."""

    @property
    def max(self) -> int:
        """The largest value, exact; 0 when nothing was recorded."""

    def record(self, value: int, times: int = 1) -> None:
        """Count `value`, `times` times.

        Raises
        ------
        OverflowError
            `value` or `times` is negative or does not fit 64 bits.
        """

    def merge(self, other: Histogram) -> None:
        """Add the counts of `other`, which stays as it is."""

    def clear(self) -> None:
        """Forget everything."""

    def percentile(self, ratio: float) -> int:
        """Return the value that at least `ratio` of all values do not exceed.

        Rounded up to the highest value of its bucket, by at most 1/32, and never above `max`; 0 when empty.

        Raises
        ------
        InvalidArgumentError
            `ratio` is outside 0..1.
        """

    def export(self) -> tuple[int, int, int, list[tuple[int, int]]]:
        """Return ``(count, sum, max, [(bucket, count), ...])``, buckets in rising order and without the empty ones."""
