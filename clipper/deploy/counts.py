"""What the fleet has done since management started, for its metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from clipper.types import ModelId


@dataclass(slots=True)
class FleetCounts:
    """Actions that reconciling decided on, and replicas that ended unasked."""

    starts: int = 0
    stops: int = 0
    failures: Counter[ModelId] = field(default_factory=Counter)

    def forget_all_but(self, wanted: Container[ModelId]) -> None:
        """Drop the counts of versions that are gone, so that deploying for years takes no more memory."""
        self.failures = Counter({model_id: count for model_id, count in self.failures.items() if model_id in wanted})
