"""Answers of the management API about monitoring."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from pydantic import BaseModel, Field

from clipper.management.monitored import Monitored
from clipper.management.schemas import EventAnswer, MonitoringStatus

# Of each application, in the status of the whole instance.
STATUS_EVENTS: Final = 5


class ArmHealthAnswer(BaseModel):
    """What is known of one linked model's current version."""

    arm: str = Field(examples=["svm:2"])
    is_ready: bool = Field(description="whether a rise of its loss would be noticed: there is a baseline")
    is_degraded: bool
    have_outputs_changed: bool
    is_quarantined: bool
    observations: int = Field(description="losses since it was first linked")
    loss: float | None = Field(description="mean of the latest, lately")
    loss_low: float = Field(description="95% interval of that mean")
    loss_high: float
    baseline_loss: float | None = Field(description="what new losses are held to")
    outputs: int = Field(description="sampled outputs since it was first linked")
    output_measure: str | None = Field(description="psi of labels, ks of numbers")
    output_distance: float | None = Field(description="of the latest full window from the reference")
    output_limit: float | None


class MonitoringAnswer(BaseModel):
    """What is known of an application's models, and what was done about it."""

    application: str
    on_degraded: str = Field(examples=["tell"])
    arms: list[ArmHealthAnswer]
    degraded: dict[str, str] = Field(description="arms that there is a reason to act on, and the reason")
    quarantined: dict[str, str] = Field(description="arms that no plan uses, and why")
    events: list[EventAnswer] = Field(description="the oldest first")


def monitoring_answer(monitored: Monitored) -> MonitoringAnswer:
    """Render what is known of an application."""
    monitor = monitored.monitor
    quarantined = dict(monitor.quarantined)
    return MonitoringAnswer(
        application=monitored.name,
        on_degraded=monitor.options.on_degraded,
        arms=[ArmHealthAnswer(**asdict(each), is_quarantined=each.arm in quarantined) for each in monitor.healths()],
        degraded=monitor.degraded,
        quarantined=quarantined,
        events=event_answers(monitored),
    )


def monitoring_status(monitored: Monitored) -> MonitoringStatus:
    """Render what belongs into the status of the whole instance."""
    return MonitoringStatus(
        application=monitored.name,
        degraded=monitored.monitor.degraded,
        quarantined=dict(monitored.monitor.quarantined),
        events=event_answers(monitored)[-STATUS_EVENTS:],
    )


def event_answers(monitored: Monitored | None) -> list[EventAnswer]:
    """Render what happened to an application's models, the oldest first."""
    events = [] if monitored is None else list(monitored.events)
    return [EventAnswer(at_us=event.at_us, kind=event.kind, text=f"{event.arm}: {event.text}") for event in events]
