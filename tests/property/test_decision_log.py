"""The decision log and its twin say the same, call for call."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clipper._core.batch_queue import BatchQueue
from clipper._core.decision_log import DecisionLog
from clipper._core.decision_probe import record
from clipper._core.decision_stream import DecisionStream
from clipper._core.model_runtime import ModelRuntime
from clipper._core.plan import Plan
from clipper._core.prediction_cache import PredictionCacheHandle
from clipper._core.slot_pool import SlotPoolHandle
from tests.support.decision_log_twin import DecisionLogTwin, PlanTwin, StreamTwin

SLOTS = SlotPoolHandle(16, 1 << 16)
MODELS = [
    ModelRuntime(f"m{i}", "1", i + 1, BatchQueue([SLOTS], queue_id=i + 1), input_type="doubles") for i in range(4)
]
NAMES = tuple(f"m{i}:1" for i in range(4))
TWINS = [
    PlanTwin(1, "arms", NAMES[:3], (), (0.5, 0.25, 0.25)),
    PlanTwin(2, "arms", NAMES[:2], NAMES[2:], (0.5, 0.5)),
    PlanTwin(3, "members", NAMES[:3], NAMES[3:]),
    PlanTwin(2**53 - 1, "cascade", NAMES[:3]),
    PlanTwin(5, "features", NAMES),
]
outputs = st.one_of(
    st.none(),
    st.sampled_from([b"1", b"0.5", b'"\\u00e9"', b'{"a":\n [1,\r\n2]}', b'"' + b"x" * 400 + b'"']),
    st.just(b'"' + b"x" * 65_535 + b'"'),  # one more than is kept
)
contexts = st.one_of(st.none(), st.sampled_from(["", "user-17", 'é "\\\n']))
rows = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=3).map(tuple)
digests = st.integers(min_value=1, max_value=3)


def new_plans() -> list[Plan]:
    """Return the plans of TWINS; a plan belongs to one log, which counts its records in it."""
    return [
        Plan("arms", MODELS[:3], probabilities=[0.5, 0.25, 0.25], plan_id=1),
        Plan("arms", MODELS[:2], shadows=MODELS[2:], plan_id=2),
        Plan("members", MODELS[:3], shadows=MODELS[3:], plan_id=3),
        Plan("cascade", MODELS[:3], thresholds=[0.9, 0.8], plan_id=2**53 - 1),
        Plan("features", MODELS, select=lambda rows, count: ([0], [1.0]), plan_id=5),
    ]


class DecisionMachine(RuleBasedStateMachine):
    """Every call goes to both; time only moves forward."""

    @initialize(budget_bytes=st.one_of(st.sampled_from([0, 131, 132, 2_000]), st.integers(2_000, 12_000)))
    def start(self, budget_bytes: int) -> None:
        self.log = DecisionLog(budget_bytes, PredictionCacheHandle(0))
        self.twin = DecisionLogTwin(budget_bytes)
        self.plans = new_plans()
        self.streams = [DecisionStream(n, ttl_us=t, is_filed=True, policy=b'"p"') for n, t in (("a", 50), ("b", 9))]
        self.stream_twins = [StreamTwin("a", 50), StreamTwin("b", 9)]
        self.now_us = 1
        self.next_id = 16

    @rule(plan=st.integers(0, 4), stream=st.integers(0, 1), data=st.data(), context=contexts, is_answered=st.booleans())
    def decide(self, plan: int, stream: int, data: st.DataObject, context: str | None, is_answered: bool) -> None:
        twin = TWINS[plan]
        is_arms = twin.kind in ("arms", "features")
        most = 1 if is_arms else len(twin.models)
        least = 1 if twin.kind == "cascade" else most
        said = data.draw(st.lists(outputs, min_size=least, max_size=most))
        facts: dict[str, Any] = {
            "outputs": said,
            "shadows": data.draw(st.lists(outputs, min_size=len(twin.shadows), max_size=len(twin.shadows))),
            "first_arm": data.draw(st.integers(0, len(twin.models) - 1)) if is_arms else 0,
            "propensity": data.draw(st.sampled_from([1.0, 0.25, 1e-9])) if is_arms else 1.0,
            "shown": data.draw(st.integers(0, len(said) - 1)),
            "features": data.draw(rows) if twin.kind == "features" else (),
            "is_answered": is_answered,
            "now_us": self.now_us,
        }
        raw_context = None if context is None else context.encode()
        record(self.log, self.streams[stream], self.plans[plan], self.next_id, context=raw_context, **facts)
        self.twin.record(self.stream_twins[stream], twin, self.next_id, context=context, **facts)
        self.next_id += 16

    @rule(back=st.integers(0, 12), stream=st.integers(0, 1), digest=digests, is_reward=st.booleans())
    def join(self, back: int, stream: int, digest: int, is_reward: bool) -> None:
        query_id = max(self.next_id - 16 * back, 0)
        said: dict[str, Any] = {"reward": 0.5} if is_reward else {"label": [1, "x"]}
        text = json.dumps(said)[1:-1].encode()
        outcome, observation, late = self.log.join(
            self.streams[stream], query_id, digest, text, self.now_us, self.now_us + 7
        )
        expected = self.twin.join(self.stream_twins[stream], query_id, digest, said, self.now_us, self.now_us + 7)
        assert b"\n" not in observation
        assert (outcome, json.loads(observation) if observation else None) == expected
        assert late == b""

    @rule(stream=st.integers(0, 1))
    def take_lines(self, stream: int) -> None:
        lines, lost = self.log.take_lines(self.streams[stream], 1_000, self.now_us)
        decisions = [json.loads(line) for line in lines.splitlines()]
        assert (decisions, lost) == self.twin.lines(self.stream_twins[stream], self.now_us)

    @rule(later_us=st.integers(1, 30))
    def wait(self, later_us: int) -> None:
        self.now_us += later_us

    @rule()
    def expire(self) -> None:
        self.log.expire(self.now_us, 1_000)
        self.twin.expire(self.now_us)

    @invariant()
    def is_sound(self) -> None:
        if hasattr(self, "log"):
            assert self.log.broken_invariant() is None
            assert self.log.figures() == {
                "records": len(self.twin.records),
                "bytes": self.twin.used_bytes(),
                "evictions": self.twin.evictions,
                "refusals": self.twin.refusals,
            }


TestDecisionLog = DecisionMachine.TestCase
TestDecisionLog.settings = settings(stateful_step_count=30)
