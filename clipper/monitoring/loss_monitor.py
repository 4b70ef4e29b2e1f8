"""Whether the loss of one arm has risen above what it was, and has come back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from clipper.monitoring.adwin import Adwin
from clipper.monitoring.loss_window import LossWindow
from clipper.monitoring.options import ADWIN, MonitorOptions
from clipper.monitoring.page_hinkley import PageHinkley

# What the library's window begins with, at most: it takes no counts and sums, only values.
_REPLAYED: Final = 200
# Losses since they have fallen, from which on their mean is compared with what it was before it rose.
_SETTLED: Final = 50


class Detector(Protocol):
    """Told losses; says when their mean has risen, from what and to what."""

    def update(self, value: float) -> bool:
        """Take a value in [0, 1]; return whether the mean has risen."""

    @property
    def baseline(self) -> tuple[int, float]:
        """How many values lie before the rise, and their sum."""

    @property
    def run(self) -> tuple[int, float]:
        """How many values lie behind it, and their sum."""

    def to_state(self) -> dict[str, Any]:
        """Return numbers from which a like detector can be made."""


@dataclass(frozen=True, slots=True)
class LossChange:
    """The mean loss rose, or came back."""

    has_risen: bool
    before: float
    now: float
    count: int  # losses since


class LossMonitor:
    """Told the losses of an arm in the order in which they come.

    The first ``reference`` losses are the baseline that later ones are held to, and what follows without an alarm adds
    to it. An arm that is degraded is followed further: it recovers when its loss has fallen again, by the same test the
    other way round, to what it was or nearly so.

    Parameters
    ----------
    inherited : (int, float), optional
        Count and sum of losses of the version before: a new version is held to what that one achieved, from its first
        feedback on. At most ``reference`` of them count, so that the version soon speaks for itself.
    """

    def __init__(self, options: MonitorOptions, inherited: tuple[int, float] | None = None) -> None:
        self._options = options
        self._slack = options.min_change_ratio / 2
        self.window = LossWindow(options.window)
        self.observations = 0
        self._count, self._total = 0, 0.0  # of the baseline, until there is a detector
        self._detector: Detector | None = None
        self._recovery: Detector | None = None  # of 1 - loss, while the arm is degraded
        self._fallen = (0, 0.0)  # count and sum of the losses of a degraded arm since they have fallen, if they have
        self._rise = (0.0, 0.0)  # of a degraded arm: from which mean to which
        self._peak = 0.0  # of a degraded arm: the mean right after it rose
        if inherited is not None and inherited[0] > 0:
            count = min(inherited[0], options.reference)
            self._count, self._total = count, inherited[1] * count / inherited[0]
            self._begin_when_ready()

    @property
    def is_ready(self) -> bool:
        """Whether there is a baseline, so that a change would be noticed."""
        return self._detector is not None

    @property
    def is_degraded(self) -> bool:
        """Whether the loss has risen and not come back."""
        return self._recovery is not None

    @property
    def baseline(self) -> tuple[int, float]:
        """Count and sum of the losses that new ones are held to."""
        return (self._count, self._total) if self._detector is None else self._detector.baseline

    @property
    def rise(self) -> tuple[float, float] | None:
        """Of a degraded arm: the mean loss before and after the rise."""
        return self._rise if self.is_degraded else None

    def observe(self, loss: float) -> LossChange | None:
        """Take a loss in [0, 1]; return what has changed by it, if anything."""
        self.observations += 1
        self.window.add(loss)
        if self._recovery is not None:
            return self._observe_degraded(self._recovery, loss)
        if self._detector is None:
            self._count += 1
            self._total += loss
            self._begin_when_ready()
            return None
        if not self._detector.update(loss):
            return None
        (count, total), (run_count, run_total) = self._detector.baseline, self._detector.run
        self._rise = (total / count, run_total / run_count)
        self._peak = self._rise[1]
        self._detector = self._make(count, total)
        self._recovery = self._make(run_count, run_count - run_total)
        return LossChange(True, *self._rise, run_count)

    def _observe_degraded(self, recovery: Detector, loss: float) -> LossChange | None:
        before, _ = self._rise
        if recovery.update(1 - loss):
            count, total = recovery.run
            self._recovery = self._make(count, total)  # what falls further is noticed again
            self._rise = (before, 1 - total / count)
            self._fallen = (count, count - total)
        elif self._fallen[0]:
            self._fallen = (self._fallen[0] + 1, self._fallen[1] + loss)
        count, total = self._fallen
        # A mean of few losses says little, and the first of them may lie before the fall.
        if count < _SETTLED or total / count - before > self._slack:
            return None
        self._recovery, self._fallen = None, (0, 0.0)
        return LossChange(False, self._peak, total / count, count)

    def resume(self) -> None:
        """Begin anew with the present baseline: the arm has been away, or is given another chance."""
        count, total = self.baseline
        self._recovery, self._detector, self._fallen = None, None, (0, 0.0)
        self._count, self._total = count, total
        self.window.clear()
        self._begin_when_ready()

    def _begin_when_ready(self) -> None:
        if self._count >= self._options.reference:
            self._detector = self._make(self._count, self._total)

    def _make(self, count: int, total: float) -> Detector:
        options = self._options
        if options.detector == ADWIN:
            return Adwin(self._slack, options.adwin_delta_ratio, count, total, _tosses(total / count, count))
        return PageHinkley(self._slack, options.false_alarm_every, count, total)

    # -- what outlives a restart -------------------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return what `restore` makes the same monitor of, as JSON."""
        return {
            "observations": self.observations,
            "window": self.window.to_state(),
            "count": self._count,
            "total": self._total,
            "detector": None if self._detector is None else self._detector.to_state(),
            "recovery": None if self._recovery is None else self._recovery.to_state(),
            "fallen": list(self._fallen),
            "rise": [*self._rise, self._peak],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` wrote; options that have changed since hold from here on."""
        self.observations = int(state["observations"])
        self.window = LossWindow.from_state(self._options.window, state["window"])
        self._count, self._total = int(state["count"]), float(state["total"])
        self._detector = self._restored(state["detector"])
        self._recovery = self._restored(state["recovery"])
        self._fallen = (int(state["fallen"][0]), float(state["fallen"][1]))
        before, now, self._peak = map(float, state["rise"])
        self._rise = (before, now)
        if self._detector is None:
            self._begin_when_ready()

    def _restored(self, state: Mapping[str, Any] | None) -> Detector | None:
        if state is None:
            return None
        if self._options.detector == ADWIN or "excess" not in state:
            return self._make(max(1, int(state["count"])), float(state["total"]))
        return PageHinkley.from_state(self._slack, self._options.false_alarm_every, state)


def _tosses(mean: float, count: int) -> list[float]:
    """Return up to `_REPLAYED` zeros and ones of that mean, evenly spread: coin tosses vary as much as losses can."""
    places = range(min(count, _REPLAYED))
    return [float(math.floor((place + 1) * mean) - math.floor(place * mean)) for place in places]
