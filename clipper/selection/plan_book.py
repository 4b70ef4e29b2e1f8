"""Which plans are in force, and which have to be made anew since something was learned."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from clipper.selection.contexts import Context, ContextTable
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.planning import plan_in_force, plan_of
from clipper.selection.policy import SelectionPolicy
from clipper.selection.state_cell import PolicyFailedError, StateCell

PlanDocument: TypeAlias = dict[str, Any]
PublishedPlan: TypeAlias = tuple[str | None, PlanDocument | None]
"""(context, or None for everybody; its plan, or None where the context has none of its own any more)."""

# Plans of contexts that one turn makes at most: a turn comes every 20 ms or so, and management has other work.
MOST_CONTEXT_PLANS: Final = 50


class PlanBook:
    """The plans of one learner; the contexts' own are kept in their table.

    Parameters
    ----------
    fit : callable
        Makes a context's state one of the present arms; raises `PolicyFailedError`.
    on_failure : callable
        Told what the policy did not do.
    last : mapping, optional
        The plan that was in force for everybody.
    last_plan_id : int
        The next plan gets a larger one.
    """

    def __init__(
        self,
        policy: SelectionPolicy,
        contexts: ContextTable,
        fit: Callable[[Context], None],
        on_failure: Callable[[PolicyFailedError], None],
        last: PlanDocument | None,
        last_plan_id: int,
    ) -> None:
        self._policy = policy
        self._contexts = contexts
        self._fit = fit
        self._on_failure = on_failure
        self._spec = None if last is None else PlanSpec.from_json(last)
        self.last_plan_id = last_plan_id
        self._is_stale = True
        self._stale_contexts: dict[str, None] = {}

    @property
    def plan(self) -> PlanDocument | None:
        """The plan in force for everybody; None while nothing is linked."""
        return None if self._spec is None else self._spec.to_json()

    @property
    def has_stale(self) -> bool:
        """Whether `make` has something to do."""
        return self._is_stale or bool(self._stale_contexts)

    def note_learned(self, context: str | None = None) -> None:
        """Take in that a state has changed: everybody's, or a context's."""
        if context is None:
            self._is_stale = True
        else:
            self._stale_contexts[context] = None

    def note_arms(self) -> None:
        """Take in that the arms have changed: workers forget the plans of contexts with the models that these named."""
        self._is_stale = True
        for key, context in self._contexts:
            context.plan_json = ""
            self._stale_contexts[key] = None

    def make(
        self, population: StateCell, arms: Sequence[str], shadows: Sequence[str], now_us: int, most_contexts: int
    ) -> list[PublishedPlan]:
        """Return the plans that differ from those in force: everybody's, then of at most so many contexts."""
        made: list[PublishedPlan] = []
        if self._is_stale and self._plan_population(population, arms, shadows, now_us):
            made.append((None, self.plan))
        for key in list(itertools.islice(self._stale_contexts, most_contexts)) if arms else ():
            del self._stale_contexts[key]
            context = self._contexts.get(key)
            if context is not None and self._plan_context(context, arms, shadows, now_us):
                made.append((key, context.plan))
        return made

    def all(self) -> Iterator[PublishedPlan]:
        """Yield every plan in force, for a worker that knows none; contexts in memory alone have one."""
        yield None, self.plan
        for key, context in self._contexts:
            if context.plan_json:
                yield key, context.plan

    def _plan_population(self, cell: StateCell, arms: Sequence[str], shadows: Sequence[str], now_us: int) -> bool:
        self._is_stale = False
        planned: PlanSpec | None = None
        before = None if self._spec is None else replace(self._spec, plan_id=0)
        try:
            if arms:
                planned = plan_of(self._policy, cell, arms, shadows, now_us)
        except PolicyFailedError as failure:
            self._on_failure(failure)
        spec = plan_in_force(planned, before, arms, shadows)
        if spec == before:
            return False
        self._spec = None if spec is None else replace(spec, plan_id=self._next_plan_id())
        return True

    def _plan_context(self, context: Context, arms: Sequence[str], shadows: Sequence[str], now_us: int) -> bool:
        try:
            self._fit(context)
            spec = plan_of(self._policy, context.cell, arms, shadows, now_us)
        except PolicyFailedError as failure:
            self._on_failure(failure)
            return False
        document = spec.to_json()
        del document["plan_id"]
        plan_json = json.dumps(document, separators=(",", ":"))
        if plan_json == context.plan_json:
            return False
        context.plan_json, context.plan_id = plan_json, self._next_plan_id()
        return True

    def _next_plan_id(self) -> int:
        self.last_plan_id += 1
        return self.last_plan_id
