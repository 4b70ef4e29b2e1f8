"""Adaptive windowing (Bifet and Gavalda, *Learning from time-changing data*, SDM 2007), as the library river has it.

It keeps a window that grows while its mean is steady, and raises an alarm when two parts of it differ by more than
chance allows; the library's object then begins anew. It notices falls as well as rises, has no notion of a rise that is
too small to matter, and does not say where the change was: its cuts lie between buckets that double in size. All three
are settled here, from the latest values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from clipper.errors import InvalidArgumentError

LIBRARY: Final = "river"
# Values among which the place of a change is looked for.
_KEPT: Final = 1000


def has_river() -> bool:
    """Whether the library is installed in this process's environment."""
    return find_spec(LIBRARY) is not None


def require_river() -> None:
    """Import the library, which takes a second or so; refuse the detector where it is not installed."""
    try:
        import_module("river.drift")
    except ImportError as error:
        raise InvalidArgumentError(
            f"monitor.detector='adwin' needs the library river where management runs: {error}",
            hint="pip install 'clipper[monitoring]', or leave detector='page_hinkley'",
        ) from error


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
        self._slack = slack
        self._adwin: Any = import_module("river.drift").ADWIN(delta=delta)  # imported when it is first needed
        self._count = count
        self._total = total
        self._latest: deque[float] = deque(latest, _KEPT)
        self._run = (0, 0.0)
        for value in self._latest:
            self._adwin.update(value)

    def update(self, value: float) -> bool:
        """Take a value; return whether the mean has risen. After an alarm the test is at its end: begin another."""
        self._count += 1
        self._total += value
        self._latest.append(value)
        self._adwin.update(value)
        if not self._adwin.drift_detected:
            return False
        run = list(self._latest)[place_of_change(self._latest) :]
        run_total = sum(run)
        count, total = self._count - len(run), self._total - run_total
        self._latest = deque(run, _KEPT)
        rise = run_total / len(run) - total / count if count > 0 else 0.0
        if rise > self._slack:
            self._count, self._total, self._run = count, total, (len(run), run_total)
            return True
        if rise < -self._slack:  # it has become better: that is what it is held to from now on
            self._count, self._total = len(run), run_total
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


def place_of_change(values: Iterable[float]) -> int:
    """Return where the second of two parts begins whose means differ most, for what their lengths let one expect.

    The estimate of least squares (Hinkley, *Inference about the change-point*, Biometrika 1970); at least 1 of two or
    more values, 0 of fewer.
    """
    array = np.asarray(list(values), dtype=np.float64)
    if len(array) < 2:
        return 0
    places = np.arange(1, len(array))
    before = np.cumsum(array)[:-1]
    excess = before - places * array.mean()
    return int(places[np.argmax(excess * excess / (places * (len(array) - places)))])
