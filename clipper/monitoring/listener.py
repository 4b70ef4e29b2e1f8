"""How observations reach a monitor, and what it asks in return.

Whoever receives observations (management's learner) calls an `ObservationListener` with each one, once, in the order in
which it is learned from; and it asks `Exclusions` which arms a plan may not use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class ObservedLosses(Protocol):
    """What of an observation a monitor looks at; `clipper.selection.observation.Observation` is one."""

    @property
    def at_us(self) -> int:
        """When the query was answered, by the wall clock."""

    @property
    def losses(self) -> Mapping[str, float]:
        """The loss in [0, 1] of each arm whose output is known."""


class ObservationListener(Protocol):
    """Called on management's event loop; neither call raises, waits, or keeps what it is given."""

    def on_observation(self, application: str, observation: ObservedLosses) -> None:
        """Hear of one joined feedback."""

    def on_outputs(self, application: str, samples: Mapping[str, Sequence[Any]]) -> None:
        """Hear of outputs, drawn uniformly from all decisions: arm -> JSON values."""


class Exclusions(Protocol):
    """Which arms a plan is made without."""

    def excluded_arms(self, application: str) -> frozenset[str]:
        """Return the quarantined arms of an application; never all that it has."""
