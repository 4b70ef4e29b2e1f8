"""Adaptive windowing (Bifet and Gavalda, *Learning from time-changing data*, SDM 2007), as the library ``river`` has it.

It keeps a window that grows while its mean is steady, and cuts its older part off when two parts differ by more than
chance allows. It notices falls as well as rises, and has no notion of a rise that is too small to matter: both are
settled here.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from clipper.errors import InvalidArgumentError


def require_river() -> None:
    """Refuse the detector where the library is not installed."""
    if find_spec("river") is None:
        raise InvalidArgumentError(
            "monitor.detector='adwin' needs the library river, which is not installed where management runs",
            hint="pip install 'clipper[monitoring]', or leave detector='page_hinkley'",
        )


class Adwin:
    """Told values in [0, 1], one at a time; says when their mean has risen. Used as `PageHinkley` is.

    Parameters
    ----------
    slack : float
        A rise by less is none.
    delta : float
        The confidence parameter of the algorithm.
    count, total : int, float
        The baseline: how many values were seen before, and their sum.
    latest : iterable of float
        The last of those, the oldest first: what the window begins with.
    """

    def __init__(self, slack: float, delta: float, count: int, total: float, latest: Iterable[float] = ()) -> None:
        from river.drift import ADWIN

        self._slack = slack
        self._adwin = ADWIN(delta=delta)
        self._count = count
        self._total = total
        self._run = (0, 0.0)
        for value in latest:
            self._adwin.update(value)

    def update(self, value: float) -> bool:
        """Take a value; return whether the mean has risen."""
        self._count += 1
        self._total += value
        self._adwin.update(value)
        if not self._adwin.drift_detected:
            return False
        # What the window kept is the new regime, what lies before it the baseline.
        kept = min(int(self._adwin.width), self._count - 1)
        total = min(self._adwin.estimation * kept, self._total)
        if kept == 0:
            return False
        before, now = (self._total - total) / (self._count - kept), total / kept
        if now - before > self._slack:
            self._run = (kept, total)
            self._count -= kept
            self._total -= total
            return True
        if before - now > self._slack:  # it has become better: that is what it is held to from now on
            self._count, self._total = kept, total
        return False

    @property
    def baseline(self) -> tuple[int, float]:
        """How many values lie before the rise, or in all, and their sum."""
        return self._count, self._total

    @property
    def run(self) -> tuple[int, float]:
        """How many values lie behind the rise, and their sum."""
        return self._run

    def to_state(self) -> dict[str, Any]:
        """Return the baseline; the window is the library's own, and is filled again from the latest losses."""
        return {"count": self._count, "total": self._total}
