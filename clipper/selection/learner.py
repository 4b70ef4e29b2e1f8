"""The learner of one application: observations in, plans out. It knows no loop, no clock and no store.

Observations are folded in the order in which they arrive, each once: a worker numbers those of its life (the epoch),
and what was folded before is passed over. So the state follows from what the store held and what came after it, however
often management dies and the workers send again.

The state for everybody (the population's) takes in every observation. Where contexts have states of their own, one is
made from the population's when its first observation comes, and takes in its own from then on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from clipper.errors import InvalidArgumentError
from clipper.selection.contexts import Context, ContextTable, is_kept
from clipper.selection.learner_document import Flush, LearnerRecord, context_key, learner_key
from clipper.selection.learner_options import ArmCounts, Event, LearnerCounts, LearnerOptions
from clipper.selection.observation import Observation
from clipper.selection.plan_book import MOST_CONTEXT_PLANS, PlanBook, PlanDocument, PublishedPlan
from clipper.selection.policy import ArmSummary, State
from clipper.selection.state_cell import PolicyFailedError, StateCell, encode_state

# Workers live one after the other; of these the last sequence numbers are known.
MAX_EPOCHS: Final = 64
# A restart goes on this far beyond the last plan id that was written, and a flush comes every second or so.
PLAN_IDS_AHEAD: Final = 1_000_000


class Learner:
    """Used by one thread at a time.

    Parameters
    ----------
    record : LearnerRecord
        What the store held, or a new one.
    arms, shadows : sequence of str
        "NAME:VERSION" of what may answer, and of what only looks on, in link order.

    Raises
    ------
    PolicyFailedError
        The policy cannot make a state of these arms.
    """

    def __init__(
        self,
        application: str,
        options: LearnerOptions,
        record: LearnerRecord,
        arms: Sequence[str],
        shadows: Sequence[str],
        now_us: int,
    ) -> None:
        self.application = application
        self.options = options
        self.counts = LearnerCounts()
        self.contexts = ContextTable(options.max_contexts, options.context_ttl_us)
        self.shadows = tuple(shadows)
        self._arms: tuple[str, ...] = tuple(arms)
        self._record = record
        self._failures: deque[PolicyFailedError] = deque(maxlen=16)
        self._plans = PlanBook(options.policy, self.contexts, self.fit, self._fail, record.plan, record.plan_id_limit)
        self.is_changed = False  # whether there is something to write
        self._population = self._make_population(now_us)

    # -- what was learned --------------------------------------------------------------------------------------------

    @property
    def arms(self) -> tuple[str, ...]:
        """What may answer, in link order."""
        return self._arms

    @property
    def state(self) -> State:
        """The policy's state for everybody, for reading."""
        return self._population.state

    @property
    def learner_id(self) -> str:
        """Which learning this is; a policy that starts anew gets another one."""
        return self._record.learner_id

    @property
    def observations(self) -> int:
        """Observations folded since the learning began."""
        return self._record.observations

    @property
    def context_count(self) -> int:
        """Contexts there are, in memory and in the store."""
        return self._record.contexts

    @property
    def arm_counts(self) -> Mapping[str, ArmCounts]:
        """What was observed of each arm and shadow."""
        return self._record.arm_counts

    @property
    def events(self) -> Sequence[Event]:
        """The last things that an operator may want to know, the oldest first."""
        return tuple(self._record.events)

    def add_event(self, event: Event) -> None:
        """Remember something for an operator."""
        self._record.events.append(event)
        self.is_changed = True

    def take_failures(self) -> list[PolicyFailedError]:
        """Return the failures of the policy since the last call, the newest 16 of them."""
        taken, self._failures = list(self._failures), deque(maxlen=self._failures.maxlen)
        return taken

    def summary(self, context: Context | None = None) -> list[ArmSummary]:
        """Return what is believed of each arm, for everybody or for a context.

        Raises
        ------
        PolicyFailedError
            The policy raised.
        """
        try:
            if context is not None:
                self.fit(context)
            cell = self._population if context is None else context.cell
            return list(self.options.policy.summary(cell.state))
        except Exception as error:
            raise PolicyFailedError("summary", error) from error

    # -- folding -----------------------------------------------------------------------------------------------------

    def missing_contexts(self, items: Iterable[Any]) -> list[str]:
        """Return the store's keys that have to be read before these observations are folded."""
        if not self.options.has_contexts:
            return []
        contexts = {item.get("context") for item in items if isinstance(item, Mapping)}
        lacking = sorted(context for context in contexts if is_kept(context) and self.contexts.lacks(context))
        return [self.context_key(context) for context in lacking]

    def context_key(self, context: str) -> str:
        """Return the store's key of a context."""
        return context_key(self.learner_id, context)

    def fold(
        self, epoch: int, first_seq: int, items: Sequence[Any], stored: Mapping[str, Mapping[str, Any]], now_us: int
    ) -> list[Observation]:
        """Fold a message of observations in; return those that had not come before.

        Parameters
        ----------
        epoch, first_seq : int
            The life of the worker, and the sequence number of the first item.
        items : sequence
            Observations as JSON objects.
        stored : mapping
            What the store has under the keys that `missing_contexts` asked for.
        now_us : int
            Wall clock.
        """
        known = self._record.seen.pop(epoch, 0)
        if known and first_seq > known + 1:
            self.counts.gaps += first_seq - known - 1
        folded = []
        for seq, item in enumerate(items, first_seq):
            if seq <= known:
                self.counts.duplicates += 1
            elif (observation := self._fold_one(item, stored, now_us)) is not None:
                folded.append(observation)
        self._record.seen[epoch] = max(known, first_seq + len(items) - 1)
        while len(self._record.seen) > MAX_EPOCHS:
            del self._record.seen[next(iter(self._record.seen))]
        self.is_changed = True
        return folded

    def _fold_one(self, item: Any, stored: Mapping[str, Mapping[str, Any]], now_us: int) -> Observation | None:
        try:
            observation = Observation.from_json(item, self.options.loss)
        except InvalidArgumentError:
            self.counts.refused += 1
            return None
        self.counts.folded += 1
        self.counts.unscored += len(observation.unscored)
        self._record.observations += 1
        self._count_arms(observation)
        context = self._context_of(observation, stored, now_us)
        if self._observe(self._population, observation):
            self._plans.note_learned()
        if context is not None and observation.context is not None:
            context.seen_us = now_us
            context.observations += 1
            if self._observe(context.cell, observation):
                self._plans.note_learned(observation.context)
            self.contexts.touch(observation.context)
        return observation

    def _observe(self, cell: StateCell, observation: Observation) -> bool:
        try:
            cell.observe(self.options.policy, observation)
        except PolicyFailedError as failure:
            self._fail(failure)
            return False
        return True

    def _count_arms(self, observation: Observation) -> None:
        for outcome in observation.arms:
            counts = self._record.arm_counts.get(outcome.arm)
            if counts is None:
                continue  # it was unlinked meanwhile
            counts.pulls += outcome.shown
            loss = observation.losses.get(outcome.arm)
            if loss is not None:
                counts.observations += 1
                counts.rewards += 1.0 - loss

    def _context_of(
        self, observation: Observation, stored: Mapping[str, Mapping[str, Any]], now_us: int
    ) -> Context | None:
        """Return the observation's context, made from the population's state if it is new."""
        key = observation.context
        if not self.options.has_contexts or not is_kept(key) or not self._arms:
            return None
        document = stored.get(self.context_key(key))
        try:
            context = self.contexts.find(key, document, self._arms, now_us)
            if context is not None:
                self.fit(context)
                return context
            self.note_expired(int(document is not None))
        except (LookupError, TypeError, ValueError) as error:
            self._fail(PolicyFailedError("context", error))
        except PolicyFailedError as failure:
            self._fail(failure)
        try:
            state = self.options.policy.init(self._arms, population=self._population.state)
            context = Context(StateCell(encode_state(state)), self._arms, now_us)
        except Exception as error:  # noqa: BLE001 - whatever a policy raises, the population's state serves
            self._fail(PolicyFailedError("init", error))
            return None
        self._record.contexts += key not in self.contexts
        self.contexts.put(key, context)
        self.counts.contexts_begun += 1
        return context

    def fit(self, context: Context) -> None:
        """Let a context know the present arms, and its policy see that a stored state is one of its own."""
        if not context.is_checked:
            context.cell.upgrade(self.options.policy)
            context.is_checked = True
        if context.arms is not self._arms and self._arms:
            if context.arms != self._arms:
                context.cell.change_arms(self.options.policy, self._arms)
            context.arms = self._arms

    def admit(self, context: str, document: Mapping[str, Any], now_us: int) -> None:
        """Take a context back from the store before anything is observed of it, if there is room."""
        try:
            if self.options.has_contexts and self.contexts.admit(context, document, self._arms, now_us):
                self._plans.note_learned(context)
        except (LookupError, TypeError, ValueError) as error:
            self._fail(PolicyFailedError("context", error))

    # -- plans -------------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> PlanDocument | None:
        """The plan in force for everybody; None while nothing is linked."""
        return self._plans.plan

    @property
    def has_stale_plans(self) -> bool:
        """Whether `make_plans` has something to do."""
        return self._plans.has_stale

    def make_plans(self, now_us: int, most_contexts: int = MOST_CONTEXT_PLANS) -> list[PublishedPlan]:
        """Return the plans that differ from those in force: everybody's, then of at most so many contexts.

        A context that has expired has no plan of its own any more.
        """
        made = self._plans.make(self._population, self._arms, self.shadows, now_us, most_contexts)
        made += [(key, None) for key in self.contexts.expire(now_us)]
        self.note_expired(sum(plan is None for key, plan in made if key is not None))
        if made:
            self.counts.plans += len(made)
            self.is_changed = True
        return made

    def all_plans(self) -> Iterator[PublishedPlan]:
        """Yield every plan in force, for a worker that knows none; contexts in memory alone have one."""
        return self._plans.all()

    def note_expired(self, count: int) -> None:
        """Take in that so many contexts have expired; those in the store alone are found there by somebody else."""
        if count:
            self._record.contexts = max(0, self._record.contexts - count)
            self.counts.contexts_expired += count
            self.is_changed = True

    # -- arms and options ----------------------------------------------------------------------------------------------

    def change_arms(self, arms: Sequence[str], shadows: Sequence[str], now_us: int) -> bool:
        """Take in that a version was deployed, rolled back, linked or unlinked; return whether that changes anything.

        While nothing is linked at all the state stays as it is: whoever links a model again finds it.

        Raises
        ------
        PolicyFailedError
            The policy can neither change its state nor make a new one of these arms.
        """
        arms, shadows = tuple(arms), tuple(shadows)
        if (arms, shadows) == (self._arms, self.shadows):
            return False
        if arms:
            self._population = self._population_for(self._population, arms, now_us)
        if arms != self._arms:
            gone = [arm for arm in self._arms if arm not in arms]
            new = [arm for arm in arms if arm not in self._arms]
            text = "; ".join(f"{what}: {', '.join(who)}" for what, who in (("new", new), ("gone", gone)) if who)
            self.add_event(Event(now_us, "arms_changed", text or f"order: {', '.join(arms)}"))
            self._arms = arms
        self.shadows = shadows
        self._count_these_arms()
        self._plans.note_arms()
        self.is_changed = True
        return True

    def reconfigure(self, options: LearnerOptions) -> list[str]:
        """Take other options for the same policy and loss; return the contexts that have no state of their own now."""
        self.options = options
        self.contexts.max_contexts, self.contexts.ttl_us = options.max_contexts, options.context_ttl_us
        self.is_changed = True
        return [] if options.has_contexts else self.contexts.clear()

    def _make_population(self, now_us: int) -> StateCell:
        self._count_these_arms()
        if self._record.state_json is None:
            self.is_changed = True
            return self._new_population(self._arms)
        cell = StateCell(self._record.state_json)
        return self._population_for(cell, self._arms, now_us) if self._arms else cell

    def _population_for(self, cell: StateCell, arms: tuple[str, ...], now_us: int) -> StateCell:
        if tuple(cell.state.get("arms", ())) == arms:
            return cell
        try:
            cell.change_arms(self.options.policy, arms)
        except PolicyFailedError as failure:
            self._fail(failure)
            cell = self._new_population(arms)
            self.add_event(Event(now_us, "started_anew", f"the policy could not change its arms: {failure}"))
        self.is_changed = True
        return cell

    def _new_population(self, arms: tuple[str, ...]) -> StateCell:
        try:
            return StateCell(encode_state(self.options.policy.init(arms)))
        except Exception as error:
            raise PolicyFailedError("init", error) from error

    def _count_these_arms(self) -> None:
        counts = self._record.arm_counts
        if self._arms or self.shadows:
            self._record.arm_counts = {arm: counts.get(arm, ArmCounts()) for arm in (*self._arms, *self.shadows)}

    def _fail(self, failure: PolicyFailedError) -> None:
        self.counts.fail(failure.what)
        self._failures.append(failure)

    # -- what the store gets -----------------------------------------------------------------------------------------

    def take_flush(self) -> Flush:
        """Return what has changed since the last flush that was written; `flushed` says what has become of it."""
        contexts, failures = self.contexts.take_changes()
        for failure in failures:
            self._fail(failure)
        try:
            self._record.state_json = self._population.checkpoint()
        except PolicyFailedError as failure:
            self._fail(failure)
            self._record.state_json = self._population.checkpoint()
        self._record.plan, self._record.plan_id_limit = self.plan, self._plans.last_plan_id + PLAN_IDS_AHEAD
        documents: dict[str, Mapping[str, Any] | None] = {
            self.context_key(key): document for key, document in contexts.documents.items()
        }
        documents[learner_key(self.application)] = self._record.to_document(self.options)
        self.is_changed = False
        return Flush(documents, dict(self._record.seen), contexts)

    def flushed(self, flush: Flush, *, is_written: bool) -> None:
        """Take in whether the store has what `take_flush` returned."""
        if is_written:
            self.contexts.confirm(flush.contexts)
        else:
            self.contexts.give_back(flush.contexts)
            self.is_changed = True
