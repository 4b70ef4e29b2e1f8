"""Which applications of a snapshot learn from feedback, and what they want to have of their decisions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from clipper._core.decision_stream import DecisionStream

# As documented of `learning` (docs/feedback.md); management fills them in.
DECISION_TTL_S: Final = 3_600
FEEDBACK_DEADLINE_US: Final = 1_000_000
OUTPUTS_PER_SECOND: Final = 200  # sampled of each application, for monitoring


class DecisionStreams:
    """The streams of one worker, by application; one lives as long as its application learns."""

    def __init__(self) -> None:
        self._streams: dict[str, DecisionStream] = {}

    def of(self, described: Mapping[str, Any]) -> DecisionStream | None:
        """Return the stream of an application that a snapshot describes, or None if it does not learn.

        A new one is in force only when `keep` was told of it: a snapshot may still be refused.
        """
        learning = described.get("learning")
        if learning is None:
            return None
        known = self._streams.get(described["name"])
        return known or DecisionStream(described["name"], ttl_us=_ttl_us(learning))

    def keep(self, applications: Iterable[tuple[Mapping[str, Any], DecisionStream | None]]) -> None:
        """Take over the streams of a snapshot that is in force now, with what it says of them."""
        self._streams = {}
        for described, stream in applications:
            if stream is None:
                continue
            learning = described["learning"]
            stream.ttl_us = _ttl_us(learning)
            stream.is_filed = bool(learning.get("log_decisions", False))
            stream.sample_size = 0 if learning.get("monitor") is False else OUTPUTS_PER_SECOND
            stream.policy = json.dumps(described["policy"]["name"]).encode()
            self._streams[stream.name] = stream

    @property
    def all(self) -> Mapping[str, DecisionStream]:
        """Those in force, by application."""
        return self._streams


def feedback_deadline_us(described: Mapping[str, Any]) -> int:
    """Return how long feedback by input waits, of an application that a snapshot describes."""
    learning = described.get("learning") or {}
    return int(learning.get("feedback_deadline_us") or FEEDBACK_DEADLINE_US)


def _ttl_us(learning: Mapping[str, Any]) -> int:
    return int(float(learning.get("decision_ttl_s") or DECISION_TTL_S) * 1_000_000)
