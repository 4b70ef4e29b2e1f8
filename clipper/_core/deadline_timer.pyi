"""A timer of microsecond resolution that a loop can wait for (timerfd_create(2))."""

from typing import final

@final
class DeadlineTimer:
    """One timer descriptor, readable when the time has come."""

    file_descriptor: int

    def arm_at(self, fire_us: int) -> None:
        """Fire once at this time of CLOCK_MONOTONIC in microseconds; replaces what it was armed for."""

    def close(self) -> None:
        """Give the descriptor back. Remove it from the loop first."""
