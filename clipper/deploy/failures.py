"""Rows of failures: how long a model version waits before its next start, and when it is quarantined."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clipper.backoff import Backoff
from clipper.deploy.reconcile import Restraint


@dataclass(frozen=True, slots=True)
class FailureRow:
    """The failures in a row of one model version's replicas.

    Replicas that ran side by side and died together are one failure: only a replica that was started after the
    last failure lengthens the row.
    """

    backoff: Backoff
    quarantine_failures: int
    last_us: int = -1
    cause: str = ""
    log_tail: str = ""

    @property
    def is_quarantined(self) -> bool:
        """Whether the version is no longer started until somebody asks for it anew."""
        return self.backoff.failures >= self.quarantine_failures

    @property
    def restraint(self) -> Restraint:
        """What `reconcile` needs to know."""
        return Restraint(self.last_us + self.backoff.delay_us, self.is_quarantined)

    def failed(self, started_us: int, ready_us: int | None, now_us: int, cause: str, log_tail: str) -> FailureRow:
        """Return the row after a replica, started and ready (None: never) at these times, failed now."""
        row = replace(self, cause=cause, log_tail=log_tail)
        if started_us < self.last_us:
            return row
        ready_for_us = 0 if ready_us is None else now_us - ready_us
        return replace(row, backoff=self.backoff.failed(ready_for_us), last_us=now_us)
