"""What management knows of one monitored application: its monitor, its events, and what was done about it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from clipper.monitoring.application_monitor import ApplicationMonitor
from clipper.monitoring.options import MonitorOptions

MAX_EVENTS: Final = 100
MAX_LEFT_VERSIONS: Final = 64

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MonitorEvent:
    """Something that was found of an arm, or done about it."""

    at_us: int  # wall clock
    arm: str
    kind: str
    text: str


@dataclass(slots=True, eq=False)
class Monitored:
    """Changed by `Monitoring` alone."""

    name: str
    label_field: str
    monitor: ApplicationMonitor
    events: deque[MonitorEvent] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    last_action_us: int | None = None
    left: tuple[str, ...] = ()  # arms that were rolled back from, the latest last
    retry_at_us: int = 0
    untaken: dict[str, str] = field(default_factory=dict)  # arm -> why nothing is done, as it was told
    is_dirty: bool = False

    def follow(self, arms: Sequence[str], shadows: Collection[str]) -> bool:
        """Watch these arms from now on; return whether they are others than before."""
        if not self.monitor.follow(arms, shadows):
            return False
        self.untaken = {arm: why for arm, why in self.untaken.items() if arm in arms}
        return True

    def add_event(self, at_us: int, arm: str, kind: str, text: str) -> None:
        """Add an event; the oldest goes when there are `MAX_EVENTS`."""
        self.events.append(MonitorEvent(at_us, arm, kind, text))

    def to_document(self) -> dict[str, Any]:
        """Return what `restored` makes the same of, as JSON."""
        return {
            "monitor": self.monitor.to_state(),
            "events": [asdict(event) for event in self.events],
            "last_action_us": self.last_action_us,
            "left": list(self.left[-MAX_LEFT_VERSIONS:]),
        }

    @classmethod
    def restored(cls, name: str, options: MonitorOptions, label_field: str, document: Mapping[str, Any] | None) -> Self:
        """Return what `to_document` wrote; without a document, or with one that cannot be read, begin anew."""
        if document is not None:
            try:
                last_action_us = document["last_action_us"]
                return cls(
                    name,
                    label_field,
                    ApplicationMonitor.from_state(options, label_field, document["monitor"]),
                    deque((MonitorEvent(**event) for event in document["events"]), MAX_EVENTS),
                    None if last_action_us is None else int(last_action_us),
                    tuple(map(str, document["left"])),
                )
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                _logger.error("what was known of %s cannot be read, monitoring begins anew: %r", name, error)
        return cls(name, label_field, ApplicationMonitor(options, label_field))
