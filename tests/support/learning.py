"""Policies, observations and a store for tests of what learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipper.selection.learner import Learner
from clipper.selection.learner_document import Flush, learner_key, read_record
from clipper.selection.learner_options import LearnerOptions
from clipper.selection.losses import make_loss
from clipper.selection.observation import Observation
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import ArmSummary, SelectionPolicy, State
from clipper.selection.registry import make_policy

NOW_US = 1_700_000_000_000_000
ARMS = ("a:1", "b:1")


class Diary(SelectionPolicy):
    """Writes down every query id in its order, so that nothing can be folded twice, lost or exchanged unseen.

    A label "raise" makes it raise, after it has written; "nan" makes its state no JSON; "bad plan" its plans invalid.
    """

    name = "tests.support.learning:Diary"

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        inherited = [] if population is None else list(population["ids"])
        return {"policy": self.name, "version": 1, "arms": list(arms), "ids": inherited, "is_broken": False}

    def plan(self, state: State, now_us: int) -> PlanSpec:
        if state["is_broken"]:
            return PlanSpec("arms", ("nobody:1",), probabilities=(1.0,))
        count = len(state["ids"])
        shares = [1.0 + (index + count) % 3 for index in range(len(state["arms"]))]
        return PlanSpec("arms", tuple(state["arms"]), probabilities=tuple(share / sum(shares) for share in shares))

    def observe(self, state: State, observation: Observation) -> State:
        state["ids"].append(observation.query_id)
        if observation.label == "raise":
            raise RuntimeError("told to raise")
        if observation.label == "nan":
            state["ids"].append(float("nan"))
        state["is_broken"] = observation.label == "bad plan"
        return state

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        return {**state, "arms": list(arms)}

    def summary(self, state: State) -> list[ArmSummary]:
        return [ArmSummary(arm, 0.5, len(state["ids"]), None, None, None) for arm in state["arms"]]


def observation(query_id: int, context: str | None = None, label: Any = 1, **values: Any) -> dict[str, Any]:
    """Return an observation as a worker sends it; by default a:1 was drawn, and was right."""
    arms = [{"arm": "a:1", "output": 1, "propensity": 0.5, "shown": True}]
    document = {"query_id": query_id, "at_us": NOW_US, "context": context, "plan_id": 1, "kind": "arms", "arms": arms}
    return {**document, "label": label, **values}


def options(policy: Any = None, **values: Any) -> LearnerOptions:
    """Return options of a `Diary`, or of another policy's document."""
    document = {"name": Diary.name} if policy is None else policy
    return LearnerOptions(make_policy(document), document, make_loss(), **values)


class World:
    """A learner, and the documents of its store."""

    def __init__(self, options: LearnerOptions, arms: Sequence[str] = ARMS) -> None:
        self.options = options
        self.arms = tuple(arms)
        self.documents: dict[str, Mapping[str, Any]] = {}
        self.learner = self._begin()

    def _begin(self) -> Learner:
        record, self.why_anew = read_record(self.documents.get(learner_key("app")), self.options, "first", NOW_US)
        return Learner("app", self.options, record, self.arms, (), NOW_US)

    def fold(self, items: Sequence[Any], first_seq: int = 1, epoch: int = 1, now_us: int = NOW_US) -> int:
        """Fold a message; return how many observations of it were new."""
        keys = self.learner.missing_contexts(items)
        stored = {key: self.documents[key] for key in keys if key in self.documents}
        count = len(self.learner.fold(epoch, first_seq, items, stored, now_us))
        self.learner.contexts.shrink()
        return count

    def flush(self, *, is_written: bool = True) -> Flush:
        """Flush to the store, which takes it or not."""
        flush = self.learner.take_flush()
        if is_written:
            for key, document in flush.documents.items():
                if document is None:
                    self.documents.pop(key, None)
                else:
                    self.documents[key] = document
        self.learner.flushed(flush, is_written=is_written)
        return flush

    def crash(self) -> None:
        """Lose everything but the store, and begin again."""
        self.learner = self._begin()

    def states(self, contexts: Sequence[str] = ()) -> dict[str | None, Any]:
        """Return everybody's state and those of contexts, wherever they are; as text, in which NaN is itself."""
        found: dict[str | None, Any] = {None: repr(self.learner.state)}
        for context in contexts:
            key = self.learner.context_key(context)
            kept = self.learner.contexts.find(context, self.documents.get(key), self.learner.arms, NOW_US)
            if kept is not None:
                found[context] = repr(kept.cell.state)
        return found
