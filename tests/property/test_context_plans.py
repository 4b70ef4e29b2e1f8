"""The table of plans by context against a twin: an OrderedDict that is cut to its bound."""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clipper._core.batch_queue import BatchQueue
from clipper._core.context_plans import ContextPlans
from clipper._core.model_runtime import ModelRuntime
from clipper._core.plan import Plan
from clipper._core.slot_pool import SlotPoolHandle

SLOTS = SlotPoolHandle(16, 1 << 16)
MODELS = [
    ModelRuntime(f"m{i}", "1", i + 1, BatchQueue([SLOTS], queue_id=i + 1), input_type="doubles") for i in range(4)
]
CONTEXTS = st.sampled_from(["", "a", "b", "c", "é", "user-17"])


class ContextPlansMachine(RuleBasedStateMachine):
    """The last entry of the twin is the one that was asked for last."""

    @initialize(bound=st.integers(0, 4))
    def start(self, bound: int) -> None:
        self.bound = bound
        self.table = ContextPlans(bound)
        self.twin: OrderedDict[str, Plan] = OrderedDict()
        self.evictions = 0

    def cut(self) -> int:
        cut = 0
        while len(self.twin) > self.bound:
            self.twin.popitem(last=False)
            cut += 1
        return cut

    @rule(context=CONTEXTS, arm=st.integers(0, 2), shadow=st.sampled_from([(), (3,)]))
    def put(self, context: str, arm: int, shadow: tuple[int, ...]) -> None:
        plan = Plan("arms", [MODELS[arm]], shadows=[MODELS[index] for index in shadow])
        self.table.put(context, plan)
        if self.bound == 0:
            return
        self.twin[context] = plan
        self.twin.move_to_end(context)
        self.evictions += self.cut()

    @rule(context=CONTEXTS)
    def forget(self, context: str) -> None:
        self.table.put(context, None)
        self.twin.pop(context, None)

    @rule(context=CONTEXTS)
    def get(self, context: str) -> None:
        assert self.table.get(context) is self.twin.get(context)
        if context in self.twin:
            self.twin.move_to_end(context)

    @rule(arms=st.sets(st.integers(0, 2)), has_shadow=st.booleans())
    def keep_only(self, arms: set[int], has_shadow: bool) -> None:
        known = {MODELS[index] for index in arms}, {MODELS[3]} if has_shadow else set()
        kept = {
            context: plan
            for context, plan in self.twin.items()
            if known[0].issuperset(plan.models) and known[1].issuperset(plan.shadows)
        }
        assert self.table.keep_only(*known) == len(self.twin) - len(kept)
        self.twin = OrderedDict(kept)

    @rule(bound=st.integers(0, 4))
    def resize(self, bound: int) -> None:
        self.table.resize(bound)
        self.bound = bound
        self.cut()

    @invariant()
    def sizes_agree(self) -> None:
        if hasattr(self, "table"):
            assert len(self.table) == len(self.twin) <= self.bound
            assert self.table.evictions == self.evictions


ContextPlansMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestContextPlans = ContextPlansMachine.TestCase
