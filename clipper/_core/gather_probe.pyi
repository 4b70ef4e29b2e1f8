"""Gather and reply, driven from Python: what the tests hold against obvious twins."""

from collections.abc import Sequence
from typing import Literal

class GatherProbe:
    """The members of one query, all of them pending at first."""

    def __init__(self, rule: Literal["single", "majority", "mean"], member_count: int) -> None: ...
    def answer(self, index: int, output: bytes) -> None:
        """A pending member gives this output, JSON text."""
    def miss(self, index: int, reason: str) -> None:
        """A pending member will have no output, for one of the reasons of `clipper.metrics.names.REASONS`."""
    def is_decided(self) -> bool:
        """Can the pending members change nothing?"""
    def kind(self) -> str:
        """Of the answer that would be given now: one of `clipper._core.counters.ANSWER_KINDS`."""
    def combine(self) -> tuple[bytes | None, float, str | None]:
        """Return output, confidence, and why outputs could not be combined."""

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
