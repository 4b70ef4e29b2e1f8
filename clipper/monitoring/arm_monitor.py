"""Everything that is watched of one arm: the current version of one linked model, in one application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from clipper.monitoring.loss_monitor import LossMonitor
from clipper.monitoring.loss_window import wilson_interval
from clipper.monitoring.options import ANY, MonitorOptions
from clipper.monitoring.output_monitor import OutputMonitor

DEGRADED: Final = "degraded"
RECOVERED: Final = "recovered"
OUTPUTS_CHANGED: Final = "outputs_changed"
OUTPUTS_RETURNED: Final = "outputs_returned"
FINDINGS: Final = (DEGRADED, RECOVERED, OUTPUTS_CHANGED, OUTPUTS_RETURNED)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was noticed of an arm."""

    arm: str
    kind: str  # one of FINDINGS
    text: str


@dataclass(frozen=True, slots=True)
class ArmHealth:
    """What is known of an arm. A loss is None where there is no feedback, a distance where no window is full."""

    arm: str
    is_ready: bool  # whether a rise of its loss would be noticed
    is_degraded: bool
    have_outputs_changed: bool
    observations: int  # losses since it was first linked
    loss: float | None  # mean of the window
    loss_low: float  # bounds of the mean, 95%
    loss_high: float
    baseline_loss: float | None
    outputs: int  # samples since it was first linked
    output_measure: str | None  # "psi" of labels, "ks" of numbers
    output_distance: float | None  # of the latest full window from the reference
    output_limit: float | None


class ArmMonitor:
    """Told the losses and sampled outputs of one arm.

    Parameters
    ----------
    inherited : (int, float), optional
        Count and sum of the losses of the version before; see `LossMonitor`.
    """

    def __init__(
        self, arm: str, options: MonitorOptions, label_field: str = "", inherited: tuple[int, float] | None = None
    ) -> None:
        self.arm = arm
        self._options = options
        self._losses = LossMonitor(options, inherited)
        self._outputs = OutputMonitor(options, label_field)

    def observe_loss(self, loss: float) -> Finding | None:
        """Take a loss in [0, 1]; return what is noticed by it."""
        change = self._losses.observe(loss)
        if change is None:
            return None
        kind, verb = (DEGRADED, "rose") if change.has_risen else (RECOVERED, "fell")
        means = f"its mean loss {verb} from {change.before:.3f} to {change.now:.3f}"
        return Finding(self.arm, kind, f"{means} over the last {change.count} feedbacks")

    def observe_output(self, output: object) -> Finding | None:
        """Take a sampled output, a JSON value; return what is noticed by it."""
        change = self._outputs.observe(output)
        if change is None:
            return None
        measured = (
            f"{change.measure.upper()} {change.distance:.3f} between its last {self._options.output_window} outputs "
            f"and its first, limit {change.limit:.3f}"
        )
        return Finding(self.arm, OUTPUTS_CHANGED if change.has_changed else OUTPUTS_RETURNED, measured)

    @property
    def reason_to_act(self) -> str:
        """What of this arm ``on_degraded`` acts on; "" if nothing."""
        rise = self._losses.rise
        if rise is not None:
            return f"its mean loss rose from {rise[0]:.3f} to {rise[1]:.3f}"
        if self._options.act_on == ANY and self._outputs.has_changed and self._outputs.last is not None:
            last = self._outputs.last
            return f"its outputs have changed: {last.measure.upper()} {last.distance:.3f}, limit {last.limit:.3f}"
        return ""

    @property
    def recent_loss(self) -> float | None:
        """Mean of the window, or of a degraded arm what it rose to while the window has older ones; None if unknown."""
        mean, rise = self._losses.window.mean, self._losses.rise
        if rise is None or mean is None:
            return mean
        return max(mean, rise[1])

    @property
    def baseline(self) -> tuple[int, float]:
        """Count and sum of the losses that new ones are held to."""
        return self._losses.baseline

    def resume(self) -> None:
        """Begin anew against the present baseline and reference: it was away, or is given another chance."""
        self._losses.resume()
        self._outputs.resume()

    def health(self) -> ArmHealth:
        """Return what is known now."""
        window, (count, total), last = self._losses.window, self._losses.baseline, self._outputs.last
        low, high = wilson_interval(window.mean or 0.0, len(window))
        return ArmHealth(
            arm=self.arm,
            is_ready=self._losses.is_ready,
            is_degraded=self._losses.is_degraded,
            have_outputs_changed=self._outputs.has_changed,
            observations=self._losses.observations,
            loss=window.mean,
            loss_low=low,
            loss_high=high,
            baseline_loss=total / count if count else None,
            outputs=self._outputs.outputs,
            output_measure=self._outputs.measure,
            output_distance=None if last is None else last.distance,
            output_limit=None if last is None else last.limit,
        )

    def to_state(self) -> dict[str, Any]:
        """Return what `from_state` makes the same monitor of, as JSON."""
        return {"losses": self._losses.to_state(), "outputs": self._outputs.to_state()}

    @classmethod
    def from_state(cls, arm: str, options: MonitorOptions, label_field: str, state: Mapping[str, Any]) -> Self:
        """Return the monitor that `to_state` wrote."""
        monitor = cls(arm, options, label_field)
        monitor._losses.restore(state["losses"])
        monitor._outputs.restore(state["outputs"])
        return monitor
