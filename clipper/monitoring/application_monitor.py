"""The monitors of all arms of one application, and its quarantine."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Self

from clipper.monitoring.arm_monitor import ArmHealth, ArmMonitor, Finding
from clipper.monitoring.options import MonitorOptions

STATE_VERSION: Final = 1
# Arms that are no longer linked, or whose version is no longer current, kept for the day when they are again.
MAX_ABSENT_ARMS: Final = 16


class ApplicationMonitor:
    """Pure: told what happens, asked what is known."""

    def __init__(self, options: MonitorOptions, label_field: str = "") -> None:
        self.options = options
        self._label_field = label_field
        self._arms: tuple[str, ...] = ()
        self._shadows: frozenset[str] = frozenset()
        self._monitors: dict[str, ArmMonitor] = {}  # linked arms and absent ones, those that left last behind
        self._quarantined: dict[str, str] = {}  # arm -> why

    @property
    def arms(self) -> tuple[str, ...]:
        """The linked arms, in link order."""
        return self._arms

    @property
    def answering(self) -> tuple[str, ...]:
        """Those of them that may answer: all but the shadows."""
        return tuple(arm for arm in self._arms if arm not in self._shadows)

    @property
    def quarantined(self) -> Mapping[str, str]:
        """The linked arms that no plan uses, and why."""
        return {arm: why for arm, why in self._quarantined.items() if arm in self._arms}

    @property
    def degraded(self) -> dict[str, str]:
        """The linked arms that there is a reason to act on, and the reason."""
        reasons = {arm: self._monitors[arm].reason_to_act for arm in self._arms}
        return {arm: reason for arm, reason in reasons.items() if reason}

    def losses(self) -> dict[str, float]:
        """Return the mean of the latest losses of each linked arm that has any."""
        found = {arm: self._monitors[arm].recent_loss for arm in self._arms}
        return {arm: loss for arm, loss in found.items() if loss is not None}

    def healths(self) -> list[ArmHealth]:
        """Return what is known of each linked arm, in link order."""
        return [self._monitors[arm].health() for arm in self._arms]

    def follow(self, arms: Sequence[str], shadows: Collection[str] = ()) -> bool:
        """Watch these arms from now on, and return whether they are others than before.

        A new version inherits the baseline of the one it replaces. One that comes back resumes with its own. A
        quarantine ends with the version that it was put on; the last arm that answers cannot be in one.

        Parameters
        ----------
        shadows : collection of str
            Arms that are asked and do not answer; not all of them.
        """
        if tuple(arms) == self._arms and frozenset(shadows) == self._shadows:
            return False
        came, self._arms = [arm for arm in arms if arm not in self._arms], tuple(arms)
        self._shadows = frozenset(shadows)
        for arm in came:
            if arm in self._monitors:
                self._monitors[arm].resume()
            else:
                self._monitors[arm] = ArmMonitor(arm, self.options, self._label_field, self._inherited(arm))
        self._quarantined = {arm: why for arm, why in self._quarantined.items() if arm in self._arms}
        if not self._answers_without(""):
            self._quarantined.clear()
        present = {arm: self._monitors.pop(arm) for arm in self._arms}
        surplus = len(self._monitors) - MAX_ABSENT_ARMS
        for arm in list(self._monitors)[: max(0, surplus)]:
            del self._monitors[arm]
        self._monitors.update(present)
        return True

    def _inherited(self, arm: str) -> tuple[int, float] | None:
        """Return the baseline of the version of the same model that was watched last, if it has a whole one."""
        model = arm.partition(":")[0]
        for other, monitor in reversed(self._monitors.items()):
            if other.partition(":")[0] == model and monitor.baseline[0] >= self.options.reference:
                return monitor.baseline
        return None

    def on_losses(self, losses: Mapping[str, float]) -> list[Finding]:
        """Take the losses of one observation; those of arms that are not linked, and what is no loss, are left out."""
        findings = []
        for arm, loss in losses.items():
            if arm in self._arms and math.isfinite(loss):
                findings.append(self._monitors[arm].observe_loss(min(1.0, max(0.0, loss))))
        return [finding for finding in findings if finding is not None]

    def on_outputs(self, samples: Mapping[str, Iterable[Any]]) -> list[Finding]:
        """Take sampled outputs by arm."""
        findings = [
            self._monitors[arm].observe_output(output)
            for arm, outputs in samples.items()
            if arm in self._arms
            for output in outputs
        ]
        return [finding for finding in findings if finding is not None]

    def quarantine(self, arm: str, why: str) -> None:
        """Let no plan use a linked arm, unless it is the last one that answers: the caller has looked."""
        if arm in self._arms and self._answers_without(arm):
            self._quarantined[arm] = why

    def _answers_without(self, arm: str) -> bool:
        return any(other != arm and other not in self._quarantined for other in self.answering)

    def lift(self, arm: str, forget: bool = False) -> bool:
        """Let plans use an arm again; return whether it was quarantined.

        Parameters
        ----------
        forget : bool
            Learn its baseline and its reference anew: what it does now is how it shall be. Otherwise it is held to what
            it was, and found degraded again if it still is.
        """
        if self._quarantined.pop(arm, None) is None:
            return False
        if forget:
            self._monitors[arm] = ArmMonitor(arm, self.options, self._label_field)
        else:
            self._monitors[arm].resume()
        return True

    # -- what outlives a restart -------------------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return what `from_state` makes the same monitor of, as JSON."""
        return {
            "version": STATE_VERSION,
            "arms": list(self._arms),
            "shadows": sorted(self._shadows),
            "monitors": {arm: monitor.to_state() for arm, monitor in self._monitors.items()},
            "quarantined": dict(self._quarantined),
        }

    @classmethod
    def from_state(cls, options: MonitorOptions, label_field: str, state: Mapping[str, Any]) -> Self:
        """Return the monitor that `to_state` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            It is none of this version.
        """
        if state["version"] != STATE_VERSION:
            raise ValueError(f"its version is {state['version']!r}, expected {STATE_VERSION}")
        monitor = cls(options, label_field)
        monitor._monitors = {
            arm: ArmMonitor.from_state(arm, options, label_field, each) for arm, each in state["monitors"].items()
        }
        monitor._arms = tuple(arm for arm in state["arms"] if arm in monitor._monitors)
        monitor._shadows = frozenset(map(str, state["shadows"]))
        monitor._quarantined = {str(arm): str(why) for arm, why in state["quarantined"].items()}
        return monitor
