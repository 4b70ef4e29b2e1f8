"""Gather and reply, driven from Python: what the tests hold against obvious twins."""

from collections.abc import Sequence
from typing import Literal

class GatherProbe:
    """The members of one query, all of them pending at first."""

    def __init__(
        self,
        rule: Literal["single", "majority", "mean", "weighted", "cascade"],
        member_count: int,
        *,
        weights: Sequence[float] | None = None,
        thresholds: Sequence[float] = (),
        min_confidence: float = 0.0,
    ) -> None: ...
    def answer(self, index: int, output: bytes) -> None:
        """A pending member gives this output, JSON text."""
    def miss(self, index: int, reason: str) -> None:
        """A pending member will have no output, for one of the reasons of `clipper.metrics.names.REASONS`."""
    def is_decided(self) -> bool:
        """Can the pending members change nothing?"""
    def passes_on(self) -> bool:
        """Of a cascade: does the last stage that was asked leave the query to the next one?"""
    def ask_next(self) -> None:
        """Of a cascade, of whose stages the first one alone is asked at first: ask the next one."""
    def shares(self) -> list[int]:
        """Return the weights as the whole numbers that they are counted as."""
    def kind(self) -> str:
        """Of the answer that would be given now: one of `clipper._core.counters.ANSWER_KINDS`."""
    def combine(self) -> tuple[bytes | None, float, str | None]:
        """Return output (None if it lacks confidence), confidence, and why outputs could not be combined."""

def render_prediction(
    query_id: int, output: bytes, label: bytes, confidence: float, missing: Sequence[bytes] = ()
) -> bytes:
    """Return the JSON of a prediction; the labels are escaped already, as a model's is."""

def render_default(query_id: int, output: bytes, explanation: bytes, cause: bytes | None = None) -> bytes:
    """Return the JSON of a default output; `cause` is a JSON string."""

def render_error(query_id: int, in_batch: bool, code: bytes, cause: bytes, detail: bytes | None = None) -> bytes:
    """Return the JSON of a miss that is answered with an error; `detail` is a JSON string."""

def text_of_miss(reason: str, is_too_late: bool = False) -> tuple[int, bytes, bytes]:
    """Return HTTP status, error code and explanation of a miss; one refused as too late says so."""

def confidence_of(output: bytes) -> float | None:
    """Return how sure a model says that it is of its output; None if it does not say."""

def features_of(data: bytes, dtype: str) -> list[float] | None:
    """Return the elements of an input as doubles; None if one of them is no finite number."""
