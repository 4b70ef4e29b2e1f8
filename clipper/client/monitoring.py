"""Monitoring from Python: how models are doing, and their quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from clipper.client.api_paths import segment
from clipper.client.calls import Calls
from clipper.client.checks import check_text
from clipper.client.listings import Listing, Record


@dataclass(frozen=True, slots=True)
class ArmHealthInfo(Record):
    """What is known of one linked model's current version (``name:version``); None where nothing is yet."""

    columns = ("arm", "is_degraded", "is_quarantined", "loss", "baseline_loss", "observations", "output_distance")

    arm: str
    is_ready: bool = False  # whether a rise of its loss would be noticed
    is_degraded: bool = False
    have_outputs_changed: bool = False
    is_quarantined: bool = False
    observations: int = 0
    loss: float | None = None  # mean of the latest, with its 95% interval
    loss_low: float = 0.0
    loss_high: float = 1.0
    baseline_loss: float | None = None  # what it is held to
    outputs: int = 0  # sampled ones
    output_measure: str | None = None  # "psi" of labels, "ks" of numbers
    output_distance: float | None = None  # of the latest outputs from the first ones
    output_limit: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class MonitoringInfo(Record):
    """How the models of an application are doing, and what was done about it."""

    application: str
    on_degraded: str = "tell"
    arms: Listing[ArmHealthInfo] = field(default_factory=lambda: Listing(ArmHealthInfo, ()))
    degraded: Mapping[str, str] = field(default_factory=dict)  # arm -> how it is worse
    quarantined: Mapping[str, str] = field(default_factory=dict)  # arm -> why
    events: tuple[Mapping[str, Any], ...] = ()  # the latest last

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Return the record of one JSON object."""
        known = {name: answer[name] for name in cls.__dataclass_fields__ if name in answer}
        known["arms"] = Listing(ArmHealthInfo, map(ArmHealthInfo.from_answer, answer.get("arms", ())))
        known["events"] = tuple(answer.get("events", ()))
        return cls(**known)

    def __repr__(self) -> str:
        return repr(self.arms)

    def _repr_html_(self) -> str:
        return self.arms._repr_html_()


class MonitoringCalls(Calls):
    """The part of `Clipper` that is about how models are doing."""

    def monitoring(self, app_name: str) -> MonitoringInfo:
        """Return what feedback and outputs say of each model of an application; it shows itself as a table.

        Raises
        ------
        NotFoundError
            There is no such application, or it is not monitored: it takes no feedback, or ``monitor`` is false.
        """
        return MonitoringInfo.from_answer(self._manage("GET", f"{_path(app_name)}/monitoring"))

    def quarantine(self, app_name: str, arm: str) -> MonitoringInfo:
        """Let no plan of an application use ``arm``, a model and its current version: "svm:2".

        Raises
        ------
        NotFoundError, ConflictError
            There is no such arm; it is the last one that answers.
        """
        return MonitoringInfo.from_answer(self._manage("PUT", _quarantine(app_name, arm)))

    def lift_quarantine(self, app_name: str, arm: str, *, forget: bool = False) -> MonitoringInfo:
        """Let plans use a quarantined arm again.

        Parameters
        ----------
        forget : bool
            Learn its baseline anew: what it does from now on is how it should be. By default it is held to what it was
            before, but nothing is done about it before the cool-down is over.

        Raises
        ------
        NotFoundError
            It is not quarantined.
        """
        query = "?forget=true" if forget else ""
        return MonitoringInfo.from_answer(self._manage("DELETE", _quarantine(app_name, arm) + query))


def _path(app_name: str) -> str:
    return f"/applications/{segment(check_text('app_name', app_name))}"


def _quarantine(app_name: str, arm: str) -> str:
    return f"{_path(app_name)}/quarantines/{segment(check_text('arm', arm))}"
