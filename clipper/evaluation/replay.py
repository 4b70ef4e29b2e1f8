"""Replays a candidate policy over a log: what it would have planned for each query, had it learned from this log.

The candidate sees the log as the learner of a running Clipper would have: each piece of feedback when it came, with
the propensity that was logged, and a plan holds for the queries until the next one is made. So the estimate is of the
candidate *as trained by this log*; it chose none of the log's queries itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipper.errors import InvalidArgumentError
from clipper.evaluation.decision_lines import DRAWN_KINDS
from clipper.evaluation.joined_log import Row
from clipper.evaluation.log_files import Progress
from clipper.selection import ABSENT, ArmOutcome, Observation, PlanSpec, SelectionPolicy, State

PLAN_INTERVAL_US: Final = 20_000
"""Least time between two plans of a learner, on the log's clock; observations come to it in such batches."""
_PROGRESS_EVENTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Planned:
    """Consecutive queries that met the same plan."""

    rows: Sequence[int]
    plan: PlanSpec


@dataclass(slots=True)
class _Learner:
    """The candidate's state for the population, or for one context."""

    arms: tuple[str, ...]
    state: State
    plan: PlanSpec | None = None
    planned_at_us: int = 0
    is_stale: bool = True


class Replay:
    """One candidate going through one log.

    Parameters
    ----------
    rows : sequence of Row
        In the order of their decisions.
    is_per_context : bool
        Whether queries with a context have a state of their own, which begins as the population's.
    plan_interval_us : int
        0: a new plan after every observation.
    """

    def __init__(
        self,
        policy: SelectionPolicy,
        rows: Sequence[Row],
        *,
        is_per_context: bool = False,
        plan_interval_us: int = PLAN_INTERVAL_US,
    ) -> None:
        self._policy = policy
        self._rows = rows
        self._is_per_context = is_per_context
        self._plan_interval_us = plan_interval_us
        self._population: _Learner | None = None
        self._contexts: dict[str, _Learner] = {}

    def run(self, progress: Progress) -> Iterator[Planned]:
        """Yield which plan each query would have met."""
        held: list[int] = []
        plan: PlanSpec | None = None
        for number, (index, is_feedback) in enumerate(self._events()):
            if number % _PROGRESS_EVENTS == 0:
                progress(f"replaying {self._policy.name}", number, 2 * len(self._rows))
            if is_feedback:
                self._observe(self._rows[index])
                continue
            found = self._plan(self._rows[index])
            if found is not plan and plan is not None:
                yield Planned(held, plan)
                held = []
            plan = found
            held.append(index)
        if plan is not None:
            yield Planned(held, plan)
        progress(f"replaying {self._policy.name}", 2 * len(self._rows), 2 * len(self._rows))

    def _events(self) -> Iterator[tuple[int, bool]]:
        """Yield (row, whether it is its feedback) by time; a decision before feedback of the same microsecond."""
        count = len(self._rows)
        decided = np.fromiter((row.decision.at_us for row in self._rows), np.int64, count)
        told = np.fromiter((row.feedback.at_us for row in self._rows), np.int64, count)
        times = np.concatenate([decided, np.maximum(told, decided)])  # clocks that step back reverse nothing
        for event in np.argsort(times, kind="stable").tolist():
            yield event % count, event >= count

    def _plan(self, row: Row) -> PlanSpec:
        decision = row.decision
        learner = self._learner(row)
        if learner.arms != decision.arms:
            learner.state = self._policy.change_arms(learner.state, decision.arms)
            learner.arms = decision.arms
            learner.plan = None
        is_due = decision.at_us >= learner.planned_at_us + self._plan_interval_us
        if learner.plan is None or (learner.is_stale and is_due):
            learner.plan = self._policy.plan(learner.state, decision.at_us)
            learner.planned_at_us = decision.at_us
            learner.is_stale = False
            unknown = set(learner.plan.models) - set(decision.arms)
            if unknown:
                raise InvalidArgumentError(
                    f"policy {self._policy.name!r} plans with {', '.join(sorted(unknown))}, which was not linked",
                    hint="a plan names arms that its state was given",
                )
        return learner.plan

    def _observe(self, row: Row) -> None:
        if not self._policy.learns:
            return
        observation = observation_of(row)
        if self._population is not None:
            self._fold(self._population, observation)
        own = self._contexts.get(row.decision.context) if row.decision.context is not None else None
        if own is not None:
            self._fold(own, observation)

    def _fold(self, learner: _Learner, observation: Observation) -> None:
        learner.state = self._policy.observe(learner.state, observation)
        learner.is_stale = True

    def _learner(self, row: Row) -> _Learner:
        arms, context = row.decision.arms, row.decision.context
        if self._population is None:
            self._population = _Learner(arms, self._policy.init(arms))
        if not self._is_per_context or context is None:
            return self._population
        own = self._contexts.get(context)
        if own is None:
            own = _Learner(arms, self._policy.init(arms, population=self._population.state))
            self._contexts[context] = own
        return own


def observation_of(row: Row) -> Observation:
    """Return what the learner was told about a query."""
    decision, feedback = row.decision, row.feedback
    features: NDArray[np.float64] | None = None
    arms: tuple[ArmOutcome, ...]
    if decision.features is not None:
        features = np.nan_to_num(np.array(decision.features, dtype=np.float64))
    if decision.kind in DRAWN_KINDS and decision.chosen is not None and decision.propensity is not None:
        output = decision.outputs.get(decision.chosen, ABSENT)
        drawn = ArmOutcome(decision.chosen, decision.propensity, not decision.is_default, output)
        shadows = [arm for arm in decision.outputs if arm != decision.chosen]
        arms = (drawn, *(ArmOutcome(arm, shown=False, output=decision.outputs[arm]) for arm in shadows))
    else:
        arms = tuple(ArmOutcome(arm, output=output) for arm, output in decision.outputs.items())
    losses = {arm: 1.0 - reward for arm, reward in row.rewards.items()}
    if feedback.reward is not None:
        losses = {outcome.arm: 1.0 - feedback.reward for outcome in arms if outcome.shown}
    return Observation(
        query_id=decision.query_id,
        at_us=feedback.at_us,
        context=decision.context,
        plan_id=decision.plan_id,
        kind=decision.kind,
        arms=arms,
        label=feedback.label,
        reward=feedback.reward,
        features=features,
        losses=losses,
    )
