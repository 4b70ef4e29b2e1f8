"""The decision log as plainly as can be: a list of records, oldest first, and sums made anew each time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RECORD_BYTES, MEMBER_BYTES, MALLOC_BYTES, FIXED_BYTES = 56, 40, 16, 20
PLAN_BYTES, PLAN_MODEL_BYTES = 512, 96
MAX_OUTPUT_BYTES = 65_536
MAX_UNFILED = 100_000


def output_bytes(output: bytes) -> int:
    """Return what malloc takes for an output."""
    return max((8 + len(output) + 8 + 15) // 16 * 16, 32)


@dataclass(frozen=True)
class PlanTwin:
    """What a plan says, in words of the decision log."""

    plan_id: int
    kind: str
    models: tuple[str, ...]
    shadows: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()

    @property
    def bytes(self) -> int:
        """What it takes while only records keep it alive."""
        return PLAN_BYTES + PLAN_MODEL_BYTES * (len(self.models) + len(self.shadows))


@dataclass
class StreamTwin:
    """One application."""

    name: str
    ttl_us: int
    unfiled: list[int] = field(default_factory=list)
    lost: int = 0


@dataclass
class RecordTwin:
    """One decision."""

    query_id: int
    stream: str
    plan: PlanTwin
    context: str | None
    features: tuple[float, ...]
    arms: list[dict[str, Any]]  # every member, then every shadow; without "output" if it is not known
    at_us: int
    expires_us: int
    bytes: int
    is_answered: bool
    feedback: int = 0


class DecisionLogTwin:
    """Takes and gives what `clipper._core.decision_log.DecisionLog` does."""

    def __init__(self, budget_bytes: int) -> None:
        self.capacity = budget_bytes // (RECORD_BYTES + MEMBER_BYTES + MALLOC_BYTES + FIXED_BYTES)
        self.limit_bytes = budget_bytes - self.capacity * FIXED_BYTES if self.capacity else 0
        self.records: list[RecordTwin] = []
        self.evictions = self.refusals = 0

    def used_bytes(self) -> int:
        """Return what all records and their plans take."""
        plans = {record.plan for record in self.records}
        return sum(record.bytes for record in self.records) + sum(plan.bytes for plan in plans)

    def record(
        self,
        stream: StreamTwin,
        plan: PlanTwin,
        query_id: int,
        *,
        outputs: Sequence[bytes | None],
        shadows: Sequence[bytes | None],
        first_arm: int,
        propensity: float,
        shown: int,
        context: str | None,
        features: tuple[float, ...],
        is_answered: bool,
        now_us: int,
    ) -> None:
        """Record a decision, or refuse it."""
        arms: list[dict[str, Any]] = []
        names = [*plan.models[first_arm : first_arm + len(outputs)], *plan.shadows]
        size = RECORD_BYTES + MALLOC_BYTES + 8 * len(features) + len((context or "").encode())
        for place, (name, output) in enumerate(zip(names, [*outputs, *shadows], strict=True)):
            is_shadow = place >= len(outputs)
            is_part = plan.kind != "cascade" or place == shown
            arm: dict[str, Any] = {
                "arm": name,
                "propensity": 1.0 if is_shadow else propensity,
                "shown": is_answered and not is_shadow and is_part and output is not None,
            }
            size += MEMBER_BYTES
            if output is not None and len(output) <= MAX_OUTPUT_BYTES:
                arm["output"] = json.loads(output)
                size += output_bytes(output)
            arms.append(arm)
        while self._would_use(size, plan) > self.limit_bytes or len(self.records) == self.capacity:
            if not self.records:
                self.refusals += 1
                stream.lost += 1
                return
            del self.records[0]
            self.evictions += 1
        expires_us = now_us + stream.ttl_us
        self.records.append(
            RecordTwin(query_id, stream.name, plan, context, features, arms, now_us, expires_us, size, is_answered)
        )
        stream.unfiled.append(query_id)

    def _would_use(self, size: int, plan: PlanTwin) -> int:
        is_new = all(record.plan != plan for record in self.records)
        return self.used_bytes() + size + (plan.bytes if is_new else 0)

    def find(self, query_id: int, now_us: int) -> RecordTwin | None:
        """Return a record that is there and not past its time."""
        return next((r for r in self.records if r.query_id == query_id and now_us < r.expires_us), None)

    def join(
        self, stream: StreamTwin, query_id: int, digest: int, said: Mapping[str, Any], now_us: int, at_us: int
    ) -> tuple[str, dict[str, Any] | None]:
        """Join feedback; return the outcome and the observation."""
        record = self.find(query_id, now_us)
        if record is None or record.stream != stream.name:
            return "unknown", None
        if record.feedback:
            return ("duplicate" if record.feedback == digest else "contradictory"), None
        record.feedback = digest
        is_arms = record.plan.kind in ("arms", "features")
        arms = [arm for i, arm in enumerate(record.arms) if "output" in arm or (is_arms and i == 0)]
        observation = {
            "query_id": query_id,
            "at_us": at_us,
            "context": record.context,
            "plan_id": record.plan.plan_id,
            "kind": record.plan.kind,
            "arms": arms,
            **said,
        }
        if record.features:
            observation["features"] = list(record.features)
        return "joined", observation

    def lines(self, stream: StreamTwin, now_us: int) -> tuple[list[dict[str, Any]], int]:
        """Return the decisions that wait for the file, and how many are lost to it."""
        found = [self.find(query_id, now_us) for query_id in stream.unfiled]
        lost = stream.lost + sum(record is None for record in found)
        stream.unfiled, stream.lost = [], 0
        return [_line(record) for record in found if record is not None], lost

    def expire(self, now_us: int) -> None:
        """Drop the oldest that are past their time."""
        while self.records and now_us >= self.records[0].expires_us:
            del self.records[0]


def _line(record: RecordTwin) -> dict[str, Any]:
    line: dict[str, Any] = {
        "type": "decision",
        "query_id": record.query_id,
        "at_us": record.at_us,
        "application": record.stream,
        "policy": "p",
        "context": record.context,
        "plan_id": record.plan.plan_id,
        "kind": record.plan.kind,
        "arms": list(record.plan.models),
    }
    if record.plan.kind == "arms":
        line["probabilities"] = list(record.plan.probabilities)
    if record.plan.kind in ("arms", "features"):
        chosen = record.arms[0]
        line |= {"chosen": chosen["arm"], "propensity": chosen["propensity"]}
        if "output" in chosen:
            line["output"] = chosen["output"]
        if len(record.arms) > 1:
            line["shadows"] = [arm for arm in record.arms[1:] if "output" in arm]
    else:
        line["members"] = [arm for arm in record.arms if "output" in arm]
    if not record.is_answered:
        line["default"] = True
    if record.features:
        line["features"] = list(record.features)
    return line
