"""Counter blocks of the query path, as plain Python values."""

from typing import Any, Final

MISS_REASONS: Final[tuple[str, ...]]
"""Names of `MissReason`, by value."""
ANSWER_KINDS: Final[tuple[str, ...]]
"""Names of `AnswerKind`, by value."""
STAGES: Final[tuple[str, ...]]
"""Names of `Stage`, by value."""

class CounterProbe:
    """One block of each kind, driven from Python: what the tests hold against the published names."""

    def count_prediction(self, kind: int) -> None: ...
    def count_default(self, reason: int) -> None: ...
    def count_error(self, reason: int) -> None: ...
    def record_latency(self, duration_us: int) -> None: ...
    def record_stage(self, stage: int, duration_us: int, times: int = 1) -> None: ...
    def record_batch(self, size: int) -> None: ...
    def export_application(self) -> dict[str, Any]:
        """Return the keyword arguments of `clipper.metrics.snapshot.ApplicationMetrics.from_core`."""
    def export_model(self) -> dict[str, Any]:
        """Return the keyword arguments of `clipper.metrics.snapshot.ModelMetrics.from_core`."""
