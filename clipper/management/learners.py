"""The learners of all applications: pure work, done on the one thread that may touch them."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from clipper.errors import ClipperError
from clipper.management.learning_measures import LearningDescription, describe, measures_of
from clipper.management.learning_setup import Setup
from clipper.metrics.learning import LearningMetrics
from clipper.selection.learner import Learner
from clipper.selection.learner_document import (
    LEARNER_PREFIX,
    Flush,
    learner_key,
    read_record,
    readable_plan,
    split_context_key,
)
from clipper.selection.learner_options import Event, LearnerOptions
from clipper.selection.observation import Observation
from clipper.selection.plan_book import PlanDocument, PublishedPlan
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.planning import plan_in_force
from clipper.selection.state_cell import PolicyFailedError
from clipper.state.store import Document

# A policy that fails with every observation fills no log: so long one application's failures are only counted.
FAILURE_TELL_INTERVAL_US: Final = 10_000_000
_logger = logging.getLogger(__name__)


class Batch(NamedTuple):
    """A message ``observations`` of a worker."""

    worker: int
    epoch: int
    first_seq: int
    items: Sequence[Any]


@dataclass(slots=True)
class Idle:
    """An application whose policy cannot be made: it is served by its last plan, and its feedback waits."""

    setup: Setup
    reason: str
    learner_id: str
    plan: PlanDocument | None
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class Done:
    """What came of a piece of work.

    Parameters
    ----------
    plans : dict
        Application -> plans to tell.
    observed : dict
        Application -> observations that had not come before.
    """

    plans: dict[str, list[PublishedPlan]] = field(default_factory=dict)
    observed: dict[str, list[Observation]] = field(default_factory=dict)


class Learners:
    """Every method is called on one thread, one after the other; none waits for anything.

    Parameters
    ----------
    now_us : callable
        The wall clock.
    new_id : callable
        Gives ids for learnings; no two are the same.
    """

    def __init__(
        self,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._now_us = now_us
        self._new_id = new_id
        self._setups: dict[str, Setup] = {}
        self.active: dict[str, Learner] = {}
        self.idle: dict[str, Idle] = {}
        self._loose: dict[str, Document | None] = {}  # to be written, of no learner that there is
        self._told_us: dict[str, int] = {}

    # -- following the registry --------------------------------------------------------------------------------------

    def unread_keys(self, setups: Mapping[str, Setup]) -> list[str]:
        """Return the store's keys that `follow` needs: of applications that have no learner yet."""
        return [
            learner_key(name)
            for name in setups
            if name not in self.active and (name not in self.idle or self.idle[name].setup != setups[name])
        ]

    def changes_arms(self, setups: Mapping[str, Setup]) -> bool:
        """Whether `follow` will change what policies choose among: what was learned before is to be written first."""
        return any(
            (learner.arms, learner.shadows) != (setups[name].arms, setups[name].shadows)
            for name, learner in self.active.items()
            if name in setups and learner.observations
        )

    def follow(self, setups: Mapping[str, Setup], stored: Mapping[str, Document]) -> Done:
        """Let there be one learner for each setup; return the plans that are not in force any more.

        Parameters
        ----------
        stored : mapping
            What the store has under `unread_keys`.
        """
        done = Done()
        for name in [name for name in (*self.active, *self.idle) if name not in setups]:
            self._remove(name, done)
        for name, setup in setups.items():
            if self._setups.get(name) != setup:
                self._follow_one(name, setup, stored.get(learner_key(name)), done)
        self._setups = dict(setups)
        return done

    def _remove(self, name: str, done: Done) -> None:
        """Forget what an application has learned; its contexts in the store are found by `sweep`."""
        learner = self.active.pop(name, None)
        self.idle.pop(name, None)
        self._loose[learner_key(name)] = None
        if learner is not None:
            done.plans[name] = [(key, None) for key, context in learner.contexts if context.plan_json]

    def _follow_one(self, name: str, setup: Setup, document: Document | None, done: Done) -> None:
        learner, now_us = self.active.get(name), self._now_us()
        if learner is None and learner_key(name) in self._loose:
            document = self._loose[learner_key(name)]  # newer than what the store has
        try:
            options = setup.make_options()
            if learner is not None and _is_same_learning(learner.options, options):
                gone = learner.reconfigure(options)
                learner.change_arms(setup.arms, setup.shadows, now_us)
                done.plans[name] = [(key, None) for key in gone]
            else:
                if learner is not None:
                    document = learner.take_flush().documents[learner_key(name)]
                    done.plans[name] = [(key, None) for key, context in learner.contexts if context.plan_json]
                self.active[name] = self._begin(name, setup, options, document)
                self.idle.pop(name, None)
        except (ClipperError, PolicyFailedError) as error:
            self._set_idle(name, setup, document, str(error))
            return
        self.active[name].make_plans(now_us, 0)
        self._loose.pop(learner_key(name), None)

    def _begin(self, name: str, setup: Setup, options: LearnerOptions, document: Document | None) -> Learner:
        now_us = self._now_us()
        record, why_anew = read_record(document, options, self._new_id(), now_us)
        if why_anew:
            _logger.warning("the application %s begins to learn anew: %s", name, why_anew)
        learner = Learner(name, options, record, setup.arms, setup.shadows, now_us)
        learner.is_changed = True
        return learner

    def _set_idle(self, name: str, setup: Setup, document: Document | None, reason: str) -> None:
        learner = self.active.pop(name, None)
        if learner is not None:
            flush = learner.take_flush()
            self._loose.update(flush.documents)
            document = flush.documents[learner_key(name)]
        _logger.error("the application %s learns nothing until its policy can be made again: %s", name, reason)
        last = readable_plan((document or {}).get("plan"))
        before = None if last is None else PlanSpec.from_json(last)
        plan = plan_in_force(None, before, setup.arms, setup.shadows)
        events = [Event(self._now_us(), "policy_missing", reason)]
        learner_id = str((document or {}).get("id", ""))
        self.idle[name] = Idle(setup, reason, learner_id, None if plan is None else plan.to_json(), events)

    # -- observations ------------------------------------------------------------------------------------------------

    def missing_contexts(self, work: Mapping[str, Sequence[Batch]]) -> list[str]:
        """Return the store's keys that `fold` needs."""
        keys: list[str] = []
        for name, batches in work.items():
            learner = self.active.get(name)
            if learner is not None:
                keys += learner.missing_contexts(item for batch in batches for item in batch.items)
        return keys

    def fold(self, work: Mapping[str, Sequence[Batch]], stored: Mapping[str, Document]) -> Done:
        """Fold observations in, and make the plans that follow from them; also those that an earlier turn left."""
        done, now_us = Done(), self._now_us()
        for name, batches in work.items():
            learner = self.active.get(name)
            if learner is not None:
                done.observed[name] = [
                    observation
                    for batch in batches
                    for observation in learner.fold(batch.epoch, batch.first_seq, batch.items, stored, now_us)
                ]
                learner.contexts.shrink()
        for name, learner in self.active.items():
            if (learner.has_stale_plans or learner.contexts.has_expired(now_us)) and (
                made := learner.make_plans(now_us)
            ):
                done.plans[name] = made
            self._tell_failures(name, learner, now_us)
        return done

    @property
    def has_stale_plans(self) -> bool:
        """Whether `fold` has plans to make even without observations."""
        return any(learner.has_stale_plans for learner in self.active.values())

    def all_plans(self) -> dict[str, list[PublishedPlan]]:
        """Return the plans of all contexts, for a worker that has just got the snapshot."""
        return {
            name: [plan for plan in learner.all_plans() if plan[0] is not None] for name, learner in self.active.items()
        }

    def _tell_failures(self, name: str, learner: Learner, now_us: int) -> None:
        failures = learner.take_failures()
        if failures and now_us - self._told_us.get(name, 0) >= FAILURE_TELL_INTERVAL_US:
            self._told_us[name] = now_us
            last = failures[-1]
            _logger.error("the policy of the application %s failed in %s: %s", name, last.what, last)
            learner.add_event(Event(now_us, "policy_failed", f"in {last.what}: {last}"))

    # -- what operators see ------------------------------------------------------------------------------------------

    def describe(self, name: str, context: str | None, stored: Mapping[str, Document]) -> LearningDescription:
        """Describe an active learner, or one of its contexts; ``stored`` has what memory may lack of that."""
        return describe(self.active[name], context, stored, self._now_us())

    def measures(self) -> dict[str, LearningMetrics]:
        """Measure every learner."""
        return {name: measures_of(learner) for name, learner in self.active.items()}

    # -- the store ---------------------------------------------------------------------------------------------------

    def keep(self, key: str, document: Document | None) -> None:
        """Write or remove a document of somebody else's with the next flush."""
        self._loose[key] = document

    def take_flushes(self) -> tuple[dict[str, Flush], dict[str, Document | None]]:
        """Return what has to be written: of each learner, and the documents of none."""
        done, now_us = {}, self._now_us()
        for name, learner in self.active.items():
            if learner.is_changed or learner.contexts.has_changes:
                done[name] = learner.take_flush()
            self._tell_failures(name, learner, now_us)
        loose, self._loose = self._loose, {}
        return done, loose

    def flushed(self, flushes: Mapping[str, Flush], loose: Mapping[str, Document | None], *, is_written: bool) -> None:
        """Take in what has become of `take_flushes`."""
        for name, flush in flushes.items():
            if (learner := self.active.get(name)) is not None:
                learner.flushed(flush, is_written=is_written)
        if not is_written:
            self._loose = {**loose, **self._loose}

    def sweep(self, documents: Mapping[str, Document], *, admits: bool) -> None:
        """Look through a part of the store: what belongs to nobody, or has expired, is removed.

        Parameters
        ----------
        admits : bool
            Whether contexts come back into memory, where there is room: so a cold start finds them.
        """
        now_us = self._now_us()
        by_id = {learner.learner_id: learner for learner in self.active.values()}
        waiting = {idle.learner_id for idle in self.idle.values()}
        for key, document in documents.items():
            split = split_context_key(key)
            if split is None:
                if key.startswith(LEARNER_PREFIX) and key.removeprefix(LEARNER_PREFIX) not in self._setups:
                    self._loose[key] = None
                continue
            learner = by_id.get(split[0])
            if learner is None:
                if split[0] not in waiting:
                    self._loose[key] = None
            elif not learner.contexts.lacks(split[1]):
                continue
            elif now_us - int(document.get("seen_us", 0)) > learner.options.context_ttl_us:
                self._loose[key] = None
                learner.note_expired(1)
            elif admits:
                learner.admit(split[1], document, now_us)


def _is_same_learning(one: LearnerOptions, other: LearnerOptions) -> bool:
    return (one.policy_document, one.loss_document) == (other.policy_document, other.loss_document)
