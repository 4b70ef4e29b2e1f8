"""One line that says what is being measured and how long the rest takes."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO


def format_duration(seconds: float) -> str:
    """Write a duration as 1:02:03 or 2:03."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


@dataclass
class Progress:
    """Progress by expected cost; the time left is scaled by how long the part done really took.

    On a terminal the line is rewritten in place; elsewhere (a CI log) each step is a line of its own.
    """

    total_cost: float  # in seconds, as planned
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    done_cost: float = 0.0
    started_s: float = field(default_factory=time.monotonic)

    def left_s(self, now_s: float) -> float:
        """Return the expected time left."""
        rest = max(0.0, self.total_cost - self.done_cost)
        elapsed = now_s - self.started_s
        return rest * (elapsed / self.done_cost) if self.done_cost > 0 else rest

    def show(self, text: str) -> None:
        """Say what is going on now."""
        share = self.done_cost / self.total_cost if self.total_cost else 1.0
        filled = round(20 * min(1.0, share))
        left = format_duration(self.left_s(time.monotonic()))
        line = f"[{'#' * filled}{'.' * (20 - filled)}] {share:4.0%}  {left} left  {text}"
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[K{line[:150]}")
        else:
            self.stream.write(line + "\n")
        self.stream.flush()

    def advance(self, cost: float) -> None:
        """Count a piece of work as done."""
        self.done_cost += cost

    def end(self) -> None:
        """Leave the line."""
        if self.stream.isatty():
            self.stream.write("\r\x1b[K")
            self.stream.flush()
