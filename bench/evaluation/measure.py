"""Repeats an experiment over many seeds, and compares every estimate with the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.evaluation.worlds import World, simulate
from clipper.evaluation.candidate import Targets, targets_of, terms_of
from clipper.evaluation.checks import check_log, check_targets
from clipper.evaluation.estimates import Estimate, effective_sample_size, estimate_all
from clipper.evaluation.read_log import no_progress
from clipper.evaluation.replay import Replay
from clipper.selection import make_loss, make_policy


@dataclass(frozen=True)
class Result:
    """How one estimator did in one experiment; rewards are in [0, 1]."""

    experiment: str
    estimator: str
    seeds: int
    truth: float
    """Mean over seeds."""
    bias: float
    bias_error: float
    """Standard error of ``bias``: what chance alone makes of it."""
    root_mean_square_error: float
    width: float
    """Mean width of the 95% intervals."""
    coverage: float
    """Share of them that hold the truth."""
    effective_sample_size: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def measure(world: World, seeds: int, progress: Callable[[int], None]) -> list[Result]:
    """Run an experiment."""
    truths: list[float] = []
    sizes: list[float] = []
    estimates: dict[str, list[Estimate]] = {}
    for seed in range(seeds):
        truth, found, size = once(world, seed)
        truths.append(truth)
        sizes.append(size)
        for name, estimate in found.items():
            estimates.setdefault(name, []).append(estimate)
        progress(seed + 1)
    return [_result(world.name, name, of_name, np.array(truths), sizes) for name, of_name in estimates.items()]


def once(world: World, seed: int) -> tuple[float, dict[str, Estimate], float]:
    """Return the truth, the estimates, and the effective sample size of one log."""
    log, traffic = simulate(world, seed)
    check_log(log)
    policy = make_policy(world.candidate)
    replay = Replay(policy, log.rows, is_per_context=world.is_per_context, **world.options)
    targets = targets_of(log, policy, replay, make_loss(), no_progress)
    check_targets(targets, policy.name)
    terms = terms_of(log, targets)
    truth = world.true_reward if world.true_reward is not None else _truth(log.rows, targets, traffic.means)
    return truth, dict(estimate_all(terms)), effective_sample_size(terms.weight)


def _truth(rows: Any, targets: Targets, means: Any) -> float:
    """Return the mean reward of the candidate on these queries, in expectation over outcomes."""
    indices = [row.decision.query_id - 1 for row in rows]
    return float((targets.share * means[indices]).sum(axis=1).mean())


def _result(
    experiment: str, estimator: str, estimates: list[Estimate], truths: np.ndarray[Any, Any], sizes: list[float]
) -> Result:
    rewards = np.array([estimate.reward for estimate in estimates])
    errors = rewards - truths
    covered = [e.low <= truth <= e.high for e, truth in zip(estimates, truths, strict=True)]
    return Result(
        experiment=experiment,
        estimator=estimator,
        seeds=len(estimates),
        truth=float(truths.mean()),
        bias=float(errors.mean()),
        bias_error=float(errors.std(ddof=1) / np.sqrt(len(errors))),
        root_mean_square_error=float(np.sqrt(np.square(errors).mean())),
        width=float(np.mean([e.high - e.low for e in estimates])),
        coverage=float(np.mean(covered)),
        effective_sample_size=float(np.mean(sizes)),
    )
