"""The metrics of monitoring: how good each model version is, lately and before, and what was done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from clipper.metrics import names
from clipper.metrics.exposition import Family, family_of, split_samples
from clipper.metrics.names import Metric


@dataclass(frozen=True, slots=True)
class WatchedArm:
    """One model version of one application; None where nothing is known yet."""

    observations: int = 0
    loss: float | None = None
    baseline_loss: float | None = None
    is_degraded: bool = False
    outputs: int = 0
    output_measure: str | None = None
    output_distance: float | None = None
    have_outputs_changed: bool = False
    is_quarantined: bool = False


@dataclass(frozen=True, slots=True)
class MonitoringMetrics:
    """One application: arms by "NAME:VERSION", and events by `clipper.metrics.names.MONITOR_EVENT_KINDS`."""

    arms: Mapping[str, WatchedArm] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)


_VALUES: tuple[tuple[Metric, Callable[[WatchedArm], float | None]], ...] = (
    (names.MONITOR_OBSERVATIONS, lambda arm: arm.observations),
    (names.MONITOR_LOSS, lambda arm: arm.loss),
    (names.MONITOR_BASELINE, lambda arm: arm.baseline_loss),
    (names.MONITOR_DEGRADED, lambda arm: int(arm.is_degraded)),
    (names.MONITOR_OUTPUTS, lambda arm: arm.outputs),
    (names.MONITOR_OUTPUTS_CHANGED, lambda arm: int(arm.have_outputs_changed)),
    (names.MONITOR_QUARANTINED, lambda arm: int(arm.is_quarantined)),
)


def monitoring_families(applications: Mapping[str, MonitoringMetrics]) -> Iterator[Family]:
    """Yield the families of every application that is monitored."""
    labelled = [
        ((name, *_model_and_version(arm)), watched)
        for name, of in applications.items()
        for arm, watched in of.arms.items()
    ]
    families = {metric: family_of(metric, _known(labelled, value)) for metric, value in _VALUES}
    distances = [
        ((*labels, arm.output_measure), arm.output_distance)
        for labels, arm in labelled
        if arm.output_measure is not None and arm.output_distance is not None
    ]
    families[names.MONITOR_DISTANCE] = family_of(names.MONITOR_DISTANCE, distances)
    events = [
        s for name, of in applications.items() for s in split_samples((name,), of.events, names.MONITOR_EVENT_KINDS)
    ]
    families[names.MONITOR_EVENTS] = family_of(names.MONITOR_EVENTS, events)
    yield from (families[metric] for metric in names.METRICS if metric in families)


def _known(
    labelled: Sequence[tuple[tuple[str, ...], WatchedArm]], value: Callable[[WatchedArm], float | None]
) -> list[tuple[tuple[str, ...], float]]:
    found = [(labels, value(arm)) for labels, arm in labelled]
    return [(labels, number) for labels, number in found if number is not None]


def _model_and_version(arm: str) -> tuple[str, str]:
    name, _, version = arm.partition(":")
    return name, version
