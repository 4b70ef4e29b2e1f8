"""The Page-Hinkley test: notices that a mean has risen above what it was.

Page's cumulative sum (Page, *Continuous inspection schemes*, Biometrika 1954) of what values exceed their own mean by,
where the mean is estimated from the values themselves (Hinkley, Biometrika 1971). Three things are settled here that a
library's form of the test leaves to its user, and each comes from the values lying in [0, 1]:

* **The threshold** follows from how rare a false alarm shall be. Let ``theta`` be the positive root of
  ``E[exp(theta (x - level - slack))] = 1``. While the mean is at most ``level`` the expected number of values before
  an alarm is at least ``exp(theta * threshold) - 1``. (For ``S_n = max(0, S_{n-1} + y_n)`` with
  ``E exp(theta y) <= 1``, ``exp(theta S_n) - n`` is a supermartingale that begins at 1; stop it at the alarm.) Among
  all variables on [0, 1] with a given mean the coin toss has the largest exponential moment: its root serves any loss.
* **The level** is not the mean of what was seen but an upper confidence bound of it, which closes in as more is seen:
  a mean that was estimated too low by chance would otherwise raise the alarm by itself, sooner or later.
* **The values of an excursion** (since the sum was last zero) do not enter the mean until it has ended without an
  alarm. So the alarm does not have to outrun its own baseline, and can say what was before and what is now.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Self

from clipper.monitoring.loss_window import wilson_interval

# Standard errors from the estimated mean to the level: the truth lies above that once in 44 models.
LEVEL_Z: Final = 2.0
# The level and the threshold are computed anew when the baseline has grown by this part of itself.
_GROWTH_RATIO: Final = 0.05
_EPSILON: Final = 1e-9


@lru_cache(maxsize=4096)
def lundberg_exponent(mean: float, slack: float) -> float:
    """Return the positive root of ``E[exp(theta (x - mean - slack))] = 1`` for coin tosses x of that mean.

    Parameters
    ----------
    mean : float
        In (0, 1), with ``mean + slack < 1``.
    slack : float
        Above 0.
    """

    def log_moment(theta: float) -> float:
        # log E exp(theta x) = theta + log(mean + (1 - mean) exp(-theta)), which does not overflow.
        return theta * (1 - mean - slack) + math.log(mean + (1 - mean) * math.exp(-theta))

    low, high = 0.0, 1.0
    while log_moment(high) < 0:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        if log_moment(middle) < 0:
            low = middle
        else:
            high = middle
    return low


class PageHinkley:
    """Told values in [0, 1], one at a time; says when their mean has risen.

    Parameters
    ----------
    slack : float
        How far above the level the mean may rise without ever being noticed.
    false_alarm_every : int
        Expected number of values between two false alarms, at least.
    count, total : int, float
        The baseline: how many values were seen before, and their sum; at least one.
    """

    def __init__(self, slack: float, false_alarm_every: int, count: int, total: float) -> None:
        self._slack = slack
        self._log_every = math.log(false_alarm_every + 1)
        self._count = count
        self._total = total
        self._excess = 0.0
        self._run_count = 0
        self._run_total = 0.0
        self._next_count = 0
        self._set_level()

    def update(self, value: float) -> bool:
        """Take a value; return whether the mean has risen. After an alarm the test is at its end: begin another."""
        self._excess += value - self._level - self._slack
        self._run_count += 1
        self._run_total += value
        if self._excess > 0:
            return self._excess > self._threshold
        self._count += self._run_count
        self._total += self._run_total
        self._excess, self._run_count, self._run_total = 0.0, 0, 0.0
        if self._count >= self._next_count:
            self._set_level()
        return False

    @property
    def baseline(self) -> tuple[int, float]:
        """How many values lie before the present excursion, and their sum."""
        return self._count, self._total

    @property
    def run(self) -> tuple[int, float]:
        """How many values the present excursion has, and their sum."""
        return self._run_count, self._run_total

    @property
    def level(self) -> float:
        """The upper bound of the baseline's mean that values are compared with."""
        return self._level

    @property
    def threshold(self) -> float:
        """The excess above which there is an alarm."""
        return self._threshold

    def _set_level(self) -> None:
        _, level = wilson_interval(self._total / self._count, self._count, LEVEL_Z)
        # Where nothing can exceed the level by the slack (losses of one, nearly always) there is nothing to notice.
        self._level = min(max(level, _EPSILON), 1 - _EPSILON)
        if self._level + self._slack >= 1 - _EPSILON:
            self._threshold = math.inf
        else:
            self._threshold = self._log_every / lundberg_exponent(round(self._level, 9), self._slack)
        self._next_count = self._count + max(1, int(self._count * _GROWTH_RATIO))

    def to_state(self) -> dict[str, Any]:
        """Return what `from_state` makes the same test of."""
        return {
            "count": self._count,
            "total": self._total,
            "excess": self._excess,
            "run_count": self._run_count,
            "run_total": self._run_total,
        }

    @classmethod
    def from_state(cls, slack: float, false_alarm_every: int, state: Mapping[str, Any]) -> Self:
        """Return the test that `to_state` wrote; its level may be that of a few values later."""
        test = cls(slack, false_alarm_every, int(state["count"]), float(state["total"]))
        test._excess = float(state["excess"])
        test._run_count = int(state["run_count"])
        test._run_total = float(state["run_total"])
        return test
