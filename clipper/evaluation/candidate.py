"""The terms of a candidate policy on a log: its plans met with what each query made known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipper.errors import InvalidArgumentError, UnusableLogError
from clipper.evaluation.decision_lines import ASKING_KINDS, Decision
from clipper.evaluation.direct_model import Matrix, predict_rewards
from clipper.evaluation.estimates import Terms, Vector
from clipper.evaluation.joined_log import JoinedLog, Row
from clipper.evaluation.known_outputs import answer_of
from clipper.evaluation.log_files import Progress
from clipper.evaluation.replay import Planned, Replay
from clipper.selection import ABSENT, Loss, PlanSpec, SelectionPolicy

SELECT_DRAWS: Final = 32
"""Draws of ``select`` for each query; see `_shares_of_draws`."""
STICKY_DEVIATIONS: Final = 3.0
_SEED: Final = 20_170_327
DEFAULT_OUTPUT_REWARD: Final = 0.0
"""Of answers below a plan's ``min_confidence``: the default output, which the log does not know."""


@dataclass(slots=True)
class Targets:
    """What the candidate would have done; arrays of shape (n,), or (n, arms) in the order of `arms`."""

    arms: tuple[str, ...]
    share: Matrix
    """Probability of each arm."""
    gain: Vector
    weight: Vector
    is_known: NDArray[np.bool_]
    """Whether the outcome of every choice is known, so that nothing is weighted."""
    unsupported: float = 0.0
    """Probability of the candidate, over all queries, on arms that the log gave none."""
    defaults: int = 0
    """Queries that the candidate would have answered with the default output."""


def is_fully_known(row: Row) -> bool:
    """Whether the reward of every arm is known."""
    return row.decision.kind in ASKING_KINDS and set(row.decision.arms) <= row.rewards.keys()


def targets_of(log: JoinedLog, policy: SelectionPolicy, replay: Replay, loss: Loss, progress: Progress) -> Targets:
    """Replay the candidate over the log."""
    arms = tuple(log.arms)
    count = len(log.rows)
    targets = Targets(
        arms, np.zeros((count, len(arms))), np.zeros(count), np.zeros(count),
        np.fromiter(map(is_fully_known, log.rows), np.bool_, count),
    )  # fmt: skip
    collect = _Collector(log.rows, policy, loss, targets)
    for planned in replay.run(progress):
        collect.take(planned)
    return targets


def terms_of(log: JoinedLog, targets: Targets) -> Terms:
    """Return what the estimators need; the direct model is fitted here."""
    rows, count = log.rows, len(log.rows)
    column = {arm: index for index, arm in enumerate(targets.arms)}
    rewards = np.full((count, len(targets.arms)), np.nan)
    for index, row in enumerate(rows):
        for arm, reward in row.rewards.items():
            if arm in column:
                rewards[index, column[arm]] = reward
    contexts, clusters = _contexts(rows)
    if is_sticky(rows):
        # What is known of a context then comes from the very draw that is weighted: the estimate would be biased.
        contexts = np.full_like(contexts, -1)
    expected = predict_rewards(rewards, contexts, _features(rows))
    direct = (targets.share * expected).sum(axis=1)
    chosen = np.array([column.get(row.decision.chosen or "", -1) for row in rows], dtype=np.int64)
    of_chosen = expected[np.arange(count), chosen]
    earned = np.array([np.nan if row.earned is None else row.earned for row in rows])
    return Terms(
        gain=targets.gain,
        weight=targets.weight,
        direct=np.where(targets.is_known, 0.0, direct),
        direct_known=np.where(targets.is_known, 0.0, targets.weight * of_chosen),
        earned=earned,
        clusters=clusters,
    )


def is_sticky(rows: Sequence[Row]) -> bool:
    """Whether queries of the same context meet the same arm more often than independent draws would."""
    last: dict[str, Decision] = {}
    same, expected, variance = 0, 0.0, 0.0
    for row in rows:
        decision = row.decision
        if decision.context is None or decision.probabilities is None:
            continue
        before = last.get(decision.context)
        last[decision.context] = decision
        if before is not None and before.arms == decision.arms and before.chosen in decision.arms:
            chance = decision.probabilities[decision.arms.index(before.chosen)]
            same += before.chosen == decision.chosen
            expected += chance
            variance += chance * (1.0 - chance)
    return same > expected + STICKY_DEVIATIONS * math.sqrt(variance) and variance > 0.0


class _Collector:
    """Fills `Targets`, plan by plan."""

    def __init__(self, rows: Sequence[Row], policy: SelectionPolicy, loss: Loss, targets: Targets) -> None:
        self._rows = rows
        self._policy = policy
        self._loss = loss
        self._targets = targets
        self._column = {arm: index for index, arm in enumerate(targets.arms)}
        self._rng = np.random.default_rng(_SEED)

    def take(self, planned: Planned) -> None:
        """Enter the queries that met one plan."""
        plan = planned.plan
        if plan.kind == "arms":
            shares = np.broadcast_to(np.array(plan.probabilities), (len(planned.rows), len(plan.models)))
            self._choose(planned, shares)
        elif plan.kind == "features":
            self._choose(planned, self._selected(planned))
        else:
            for index in planned.rows:
                self._answer(index, plan)

    def _choose(self, planned: Planned, shares: Matrix) -> None:
        columns = [self._column[model] for model in planned.plan.models]
        for index, of_models in zip(planned.rows, shares, strict=True):
            row = self._rows[index]
            of_arms = self._targets.share[index]
            of_arms[columns] = of_models
            if self._targets.is_known[index]:
                rewards = [row.rewards[model] for model in planned.plan.models]
                self._targets.gain[index] = float(of_models @ np.array(rewards))
                self._targets.weight[index] = 1.0
                continue
            decision = row.decision
            weight = of_arms[self._column[decision.chosen or ""]] / (decision.propensity or 1.0)
            self._targets.weight[index] = weight
            self._targets.gain[index] = weight * row.rewards[decision.chosen or ""]
            self._targets.unsupported += self._without_support(decision, of_arms)

    def _without_support(self, decision: Decision, of_arms: Vector) -> float:
        """Return the candidate's probability of arms that the log gave none."""
        if decision.probabilities is None:
            return 0.0
        never = [arm for arm, p in zip(decision.arms, decision.probabilities, strict=True) if p <= 0.0]
        return float(sum(of_arms[self._column[arm]] for arm in never))

    def _selected(self, planned: Planned) -> Matrix:
        """Return the share of each model among draws for each query, shape (n, models)."""
        features = [self._rows[index].decision.features for index in planned.rows]
        if any(row is None for row in features):
            raise UnusableLogError(
                f"policy {self._policy.name!r} decides by the query's features, and the log lacks them",
                hint="they are logged while a policy that reads them is in force; linucb is one",
            )
        if len({len(row) for row in features if row is not None}) != 1:
            raise UnusableLogError("the log has features of different lengths", hint="choose a part: --since, --until")
        x = np.nan_to_num(np.array(features, dtype=np.float64))
        return _shares_of_draws(self._policy, planned.plan, x, self._rng)

    def _answer(self, index: int, plan: PlanSpec) -> None:
        """Enter a query that the candidate asks several models about."""
        row = self._rows[index]
        if not self._targets.is_known[index]:
            raise UnusableLogError(
                f"policy {self._policy.name!r} makes one answer of several models' outputs, and the log has the output "
                f"of one model for query {row.decision.query_id}",
                hint="log with an ensemble, which asks all of them: policy 'ensemble' or 'hedge'",
            )
        output, confidence = answer_of(plan, row.decision.outputs)
        if output is ABSENT:
            raise InvalidArgumentError(
                f"policy {self._policy.name!r} takes the mean of outputs that are no numbers, or arrays of different "
                f"lengths: query {row.decision.query_id}"
            )
        is_default = plan.kind == "members" and confidence < plan.min_confidence
        self._targets.defaults += is_default
        reward = DEFAULT_OUTPUT_REWARD if is_default else 1.0 - self._loss(output, row.feedback.label)
        self._targets.gain[index] = reward
        self._targets.weight[index] = 1.0


def _shares_of_draws(policy: SelectionPolicy, plan: PlanSpec, features: Matrix, rng: np.random.Generator) -> Matrix:
    """Return the probability of each model for each query, shape (n, models).

    ``select`` tells the propensity of the arm that it draws. Arms that no draw met share what the others leave: with
    few arms, or where all that are not the best are explored alike, that is exact.
    """
    count, models = len(features), len(plan.models)
    arms, propensities = policy.select(plan.parameters, np.repeat(features, SELECT_DRAWS, axis=0), rng)
    shares = np.full((count, models), np.nan)
    shares[np.repeat(np.arange(count), SELECT_DRAWS), np.asarray(arms)] = propensities
    unmet = np.isnan(shares)
    left = 1.0 - np.nansum(shares, axis=1)
    if (left < -1e-6).any():
        raise InvalidArgumentError(
            f"policy {policy.name!r} gives propensities that add up to {1.0 - left.min():.3f}",
            hint="clipper.selection.testing.check_policy finds out more",
        )
    rest = np.maximum(left, 0.0) / np.maximum(unmet.sum(axis=1), 1)
    shares[unmet] = np.broadcast_to(rest[:, None], shares.shape)[unmet]
    whole: Matrix = shares / shares.sum(axis=1, keepdims=True)
    return whole


def _contexts(rows: Sequence[Row]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each query's context as a number, -1 for none; and as a cluster, queries without one for themselves."""
    numbers: dict[str, int] = {}
    contexts = np.full(len(rows), -1, dtype=np.int64)
    for index, row in enumerate(rows):
        if row.decision.context is not None:
            contexts[index] = numbers.setdefault(row.decision.context, len(numbers))
    clusters = contexts.copy()
    alone = contexts < 0
    clusters[alone] = len(numbers) + np.arange(int(alone.sum()))
    return contexts, clusters


def _features(rows: Sequence[Row]) -> Matrix | None:
    """Return the queries' features; None unless all have as many."""
    lengths = {-1 if row.decision.features is None else len(row.decision.features) for row in rows}
    if len(lengths) != 1 or lengths <= {-1, 0}:
        return None
    return np.nan_to_num(np.array([row.decision.features for row in rows], dtype=np.float64))
