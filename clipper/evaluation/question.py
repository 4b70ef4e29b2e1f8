"""A question about a log, as people and programs put it: plain values in, an `Evaluation` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipper.evaluation.estimates import DEFAULT_CONFIDENCE
from clipper.evaluation.evaluate import Evaluation, evaluate
from clipper.evaluation.log_files import Progress
from clipper.evaluation.read_log import ReadOptions, no_progress, read_log
from clipper.selection import make_loss, make_policy

DEFAULT_LABEL_FIELD = "label"


@dataclass(frozen=True)
class Question:
    """What would this policy have earned on that log?"""

    logs: Sequence[Path]
    """Of JSON lines or Parquet files; together they are one log."""
    policy: str | Mapping[str, Any]
    """The candidate, as an application has it."""
    application: str | None = None
    """None: the log holds one."""
    since_us: int | None = None
    """Decisions before it are left out; wall clock."""
    until_us: int | None = None
    """Decisions at it and after it are left out."""
    per_context: bool = False
    """Whether the candidate learns for each context apart."""
    loss: str | None = None
    """How labels judge outputs; None: as the log says, else 0/1."""
    loss_bound: float | None = None
    """Losses are divided by it and clipped to 0..1."""
    label_field: str = DEFAULT_LABEL_FIELD
    """Of an output that is an object: what is compared with the label."""
    confidence: float = DEFAULT_CONFIDENCE
    """Of the intervals, in (0, 1)."""

    def answer(self, progress: Progress = no_progress) -> Evaluation:
        """Read the log and estimate.

        Raises
        ------
        InvalidArgumentError
            A value is not valid, or the policy names a model that the log does not know.
        NotFoundError
            A file is not there.
        UnusableLogError
            The log cannot tell; the message says why and the hint what to do.
        """
        candidate = make_policy(self.policy)
        is_said = self.loss is not None or self.loss_bound is not None or self.label_field != DEFAULT_LABEL_FIELD
        loss = (
            make_loss(self.loss or "zero_one", loss_bound=self.loss_bound, label_field=self.label_field)
            if is_said
            else None
        )
        options = ReadOptions(self.application, self.since_us, self.until_us, loss)
        log = read_log(self.logs, options, progress)
        return evaluate(
            log, candidate, loss=loss, is_per_context=self.per_context, confidence=self.confidence, progress=progress
        )
