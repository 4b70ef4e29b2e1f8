"""Learning, at work: observations come in from the workers, plans go out, and the store follows.

Everything that policies do happens on one thread, everything that waits for the store on another; the event loop only
carries messages. A turn folds what has come and tells the plans that follow from it, at most every 20 ms. A flush
writes what has changed in one commit, every `learner_flush_interval_us`, and acknowledges to the workers what it holds:
so a worker keeps everything that is not in the store, and sends it again to a management that was killed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from clipper.management.control_channel import ControlChannel
from clipper.management.learners import Batch, Done, Learners
from clipper.management.learning_measures import LearningDescription
from clipper.management.learning_setup import setups_of
from clipper.management.learning_store import LearningStore
from clipper.metrics.learning import LearningMetrics
from clipper.monitoring.listener import ObservationListener
from clipper.registry.records import RegistryState
from clipper.selection.plan_book import PlanDocument, PublishedPlan
from clipper.state.store import Document, StateStore

TURN_INTERVAL_US: Final = 20_000
# Observations of one application that a turn folds at most, so that others have their turn.
MOST_ITEMS: Final = 2_000
# Plans in one message: a line of some hundred kilobytes.
PLANS_A_MESSAGE: Final = 500
# Documents that one look at the store reads, and how long it rests when it has seen all.
SWEEP_COUNT: Final = 500
SWEEP_REST_US: Final = 60_000_000

_T = TypeVar("_T")


class Learning:
    """Runs on management's event loop.

    Parameters
    ----------
    store : StateStore
        The learners' own; closed by `close`.
    channel : ControlChannel
        To and from the workers.
    flush_interval_us : int
        Between two commits.
    """

    def __init__(
        self, store: StateStore, channel: ControlChannel, flush_interval_us: int, learners: Learners | None = None
    ) -> None:
        self.store = LearningStore(store)
        self._channel = channel
        self._flush_interval_us = flush_interval_us
        self._learners = learners or Learners()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="learner")
        self._inbox: dict[str, deque[Batch]] = {}
        self._workers: dict[int, int] = {}  # epoch -> the worker whose life it is
        self._greeted: set[int] = set()  # workers that have the snapshot, and not the contexts' plans
        self._plans: dict[str, PlanDocument | None] = {}
        self._state = RegistryState()  # the newest that anybody has named
        self._excluded: Callable[[str], frozenset[str]] = lambda _: frozenset()
        self._listeners: list[ObservationListener] = []
        self._has_work = asyncio.Event()
        # Whoever holds both took them in this order; a flush lets go of the second while it waits for the store.
        self._flushing = asyncio.Lock()
        self._working = asyncio.Lock()
        channel.listen("observations", self._on_observations)
        channel.listen("outputs", self._on_outputs)
        channel.greet(self._on_hello)

    # -- who takes part ----------------------------------------------------------------------------------------------

    def listen(self, listener: ObservationListener) -> None:
        """Tell ``listener`` of every observation once, when it was folded, and of sampled outputs."""
        self._listeners.append(listener)

    def exclude(self, excluded_arms: Callable[[str], frozenset[str]]) -> None:
        """Plan without the arms that ``excluded_arms(application)`` returns, from the next `follow` on."""
        self._excluded = excluded_arms

    def plan_of(self, application: str) -> Mapping[str, Any] | None:
        """Return the plan in force for everybody, as the snapshot carries it; None: what the policy says."""
        return self._plans.get(application)

    # -- following the registry --------------------------------------------------------------------------------------

    async def follow(self, state: RegistryState, *, tells_plans: bool = False) -> None:
        """Let the learners know what is registered, linked and current; the plans are in `plan_of` after that.

        What policies choose among changes only when everything that they have learned before is in the store, if it
        takes it: then what the workers send again after a crash was observed under the arms that they meet.

        Parameters
        ----------
        tells_plans : bool
            Whether no snapshot follows that would carry the plans.
        """
        if state.revision >= self._state.revision:  # else whoever asks has waited too long: the newer one holds
            self._state = state
        async with self._flushing:
            async with self._working:
                setups = setups_of(self._state, self._excluded)
                needs_flush = await self._do(self._learners.changes_arms, setups)
            if needs_flush:
                await self._flush()
            async with self._working:
                setups = setups_of(self._state, self._excluded)
                keys = await self._do(self._learners.unread_keys, setups)
                stored = await self.store.read(keys)
                done = await self._do(self._learners.follow, setups, stored or {})
                self._take_plans(tells_plans)
                self._tell_plans(done.plans)
                self._inbox = {name: batches for name, batches in self._inbox.items() if name in setups}
        self._has_work.set()

    def _take_plans(self, tells_plans: bool) -> None:
        before = self._plans
        self._plans = {name: learner.plan for name, learner in self._learners.active.items()}
        self._plans.update({name: idle.plan for name, idle in self._learners.idle.items()})
        if tells_plans:
            self._tell_plans({name: [(None, plan)] for name, plan in self._plans.items() if plan != before.get(name)})

    async def stored_documents(self, keys: Iterable[str]) -> Mapping[str, Document]:
        """Return documents that `keep` wrote in an earlier life; none of them if the store is down."""
        return await self.store.read(list(keys)) or {}

    def keep(self, key: str, document: Document | None) -> None:
        """Write or remove a document beside the learners' with the next flush."""
        self._thread.submit(self._learners.keep, key, document)

    # -- at work -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled; what was learned last is written then."""
        works = (self._turns(), self._flushes(), self._sweeps())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Write what was learned last, and close the store."""
        await self._flush_alone()
        self._thread.shutdown()
        self.store.close()

    async def _turns(self) -> None:
        while True:
            await self._has_work.wait()
            began_s = time.monotonic()
            await self.turn()
            await asyncio.sleep(max(0.0, TURN_INTERVAL_US / 1e6 - (time.monotonic() - began_s)))

    async def turn(self) -> None:
        """Fold what has come, at most so much of it, and tell the plans that follow."""
        self._has_work.clear()
        async with self._working:
            work = {name: _take(self._inbox[name], MOST_ITEMS) for name in self._waiting()}
            stored = await self._stored_contexts(work)
            done: Done = await self._do(self._learners.fold, work, stored)
            greeted, self._greeted = self._greeted, set()
            every_plan = await self._do(self._learners.all_plans) if greeted else {}
            has_more = await self._do(lambda: self._learners.has_stale_plans)
        for worker in greeted:
            self._tell_plans(every_plan, partial(self._channel.tell, worker))
        for name, plans in done.plans.items():
            for context, plan in plans:
                if context is None:
                    self._plans[name] = plan
        self._tell_plans(done.plans)
        for name, observations in done.observed.items():
            for observation in observations:
                for listener in self._listeners:
                    listener.on_observation(name, observation)
        if has_more or self._waiting():
            self._has_work.set()

    def _waiting(self) -> list[str]:
        """Return the applications of which something can be folded; that of one without its policy stays."""
        return [name for name in self._learners.active if self._inbox.get(name)]

    async def _stored_contexts(self, work: Mapping[str, list[Batch]]) -> Mapping[str, Document]:
        keys = await self._do(self._learners.missing_contexts, work)
        return await self.store.read(keys) or {}

    async def _flushes(self) -> None:
        while True:
            await asyncio.sleep(self._flush_interval_us / 1e6)
            # What is on its way to the store is seen through, also while Clipper ends: `close` waits for it.
            await asyncio.shield(self._flush_alone())
            self._has_work.set()  # contexts may have expired

    async def _flush_alone(self) -> None:
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        """Write what has changed, and acknowledge it; called with ``_flushing`` held, and ``_working`` not."""
        async with self._working:
            flushes, loose = await self._do(self._learners.take_flushes)
        documents = dict(loose)
        for flush in flushes.values():
            documents.update(flush.documents)
        if not documents:
            return
        is_written = await self.store.write(documents)
        async with self._working:
            await self._do(partial(self._learners.flushed, flushes, loose, is_written=is_written))
        if is_written:
            for name, flush in flushes.items():
                for epoch, seq in flush.acknowledged.items():
                    self._tell_observed(name, epoch, seq)

    async def _sweeps(self) -> None:
        cursor, admits = "", True
        while True:
            part = await self.store.scan(cursor, SWEEP_COUNT)
            if part is not None:
                async with self._working:
                    await self._do(partial(self._learners.sweep, part.documents, admits=admits))
                self._has_work.set()
                cursor = part.cursor
            if part is not None and not cursor:
                admits = False
                await asyncio.sleep(SWEEP_REST_US / 1e6)
            elif not admits or part is None:
                await asyncio.sleep(self._flush_interval_us / 1e6)

    # -- the workers -------------------------------------------------------------------------------------------------

    def _on_observations(self, worker: int, message: Mapping[str, Any]) -> None:
        name, items = str(message["application"]), message["items"]
        if not isinstance(items, list):
            raise TypeError("the items of observations are a list")
        batch = Batch(worker, int(message["epoch"]), int(message["first_seq"]), items)
        self._workers = {epoch: index for epoch, index in self._workers.items() if index != worker}
        self._workers[batch.epoch] = worker
        if name not in self._plans:  # it was deleted, or does not learn any more: nobody waits for these
            last = batch.first_seq + len(items) - 1
            self._tell_observed(name, batch.epoch, last)
            return
        self._inbox.setdefault(name, deque()).append(batch)
        self._has_work.set()

    def _on_outputs(self, _worker: int, message: Mapping[str, Any]) -> None:
        name, samples = str(message["application"]), dict(message["samples"])
        for listener in self._listeners:
            listener.on_outputs(name, samples)

    def _on_hello(self, worker: int) -> None:
        self._greeted.add(worker)
        self._has_work.set()

    def _tell_observed(self, application: str, epoch: int, seq: int) -> None:
        worker = self._workers.get(epoch)
        if worker is not None:
            message = {"type": "observed", "application": application, "epoch": epoch, "seq": seq}
            self._channel.tell(worker, message)

    def _tell_plans(
        self, plans: Mapping[str, list[PublishedPlan]], tell: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        tell = tell or self._channel.tell_all
        for name, of_one in plans.items():
            for begin in range(0, len(of_one), PLANS_A_MESSAGE):
                part = [{"context": key, "plan": plan} for key, plan in of_one[begin : begin + PLANS_A_MESSAGE]]
                tell({"type": "plans", "application": name, "plans": part})

    # -- what operators see ------------------------------------------------------------------------------------------

    async def describe(self, application: str, context: str | None = None) -> LearningDescription | None:
        """Describe what an application, or one of its contexts, has learned; None: it does not learn."""
        async with self._working:
            idle = self._learners.idle.get(application)
            if idle is not None:
                events = [event.to_json() for event in idle.events]
                return LearningDescription(idle.plan, [], 0, 0, events)
            learner = self._learners.active.get(application)
            if learner is None:
                return None
            keys = [] if context is None or context in learner.contexts else [learner.context_key(context)]
            stored = await self.store.read(keys) or {}
            return await self._do(self._learners.describe, application, context, stored)

    async def measures(self) -> dict[str, LearningMetrics]:
        """Measure the learning of every application."""
        async with self._working:
            return await self._do(self._learners.measures)

    async def _do(self, function: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _take(batches: deque[Batch], most_items: int) -> list[Batch]:
    """Take batches from the front, about so many items of them, and one batch at least."""
    taken, count = [], 0
    while batches and count < most_items:
        taken.append(batches.popleft())
        count += len(taken[-1].items)
    return taken
