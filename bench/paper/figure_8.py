"""Figure 8: the error of what learns while the best of five models fails and recovers, query by query over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import uvloop

from bench.paper.contestants import CONTESTANTS, Contestant
from bench.paper.failing_model import (
    ERROR_RATIOS,
    FULL,
    QUICK,
    Scale,
    Script,
    environment_of,
    model_name,
    oracle_ratio,
    static_ratios,
)
from bench.paper.intervals import Interval, mean_interval
from bench.paper.stage import LagWatch, Stage
from bench.query_client import Answer, QueryConnection, predict, update
from model_containers.simulated.labels import Integers

# Far above what a member takes, also on a busy machine: which model is trusted is the question here, not latency.
SLO_US: Final = 5_000_000
CURVE_POINTS: Final = 80  # of the cumulative error, evenly spaced
NOBODY: Final = -1  # in the place of a member: a default output, or an ensemble
INPUT_LENGTH: Final = 3
# Of one contestant's hundreds of thousands of queries; each is an error, too. More of them and the machine is too slow.
MOST_DEFAULTS: Final = 10


@dataclass(frozen=True)
class Seed:
    """What one run of the script gave."""

    is_wrong: np.ndarray[Any, np.dtype[np.bool_]]  # shape (queries,)
    members: Integers  # who answered; NOBODY where it was more than one
    defaults: list[str]  # why, where a default output was given
    strange: list[str]  # answers that no model can have given, feedback that was not taken


@dataclass(frozen=True)
class Outcome:
    """What one contestant reached; lists over seeds unless said otherwise."""

    name: str
    title: str
    is_correlated: bool
    delay: int
    limit: float | None  # the bar: its mean may be at most this
    overall: list[float]
    phases: list[list[float]]  # one list a phase
    curve: list[float]  # the mean cumulative error at CURVE_POINTS queries, each the last of its stretch
    curve_half: list[float]  # half the width of its interval
    shares: list[list[float]]  # of each member among the answers of a stretch; empty for ensembles
    defaults: list[str]  # why, where a default output was given
    strange: list[str]
    lag_mean: float  # observations that were told and not yet learnt from, of one application, sampled
    lag_max: int
    duration_s: float

    @property
    def error(self) -> Interval:
        """The error over all queries."""
        return mean_interval(self.overall)

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        found = [f"{self.name}: {one}" for one in self.strange[:3]]
        if len(self.defaults) > MOST_DEFAULTS:
            found.append(
                f"{self.name}: {len(self.defaults)} queries without a prediction, the first: {self.defaults[0]}"
            )
        if self.limit is not None and self.error.mean > self.limit:
            found.append(f"{self.name}: {self.error}, the bar is {self.limit}")
        return found


@dataclass(frozen=True)
class Figure8:
    """The whole figure."""

    queries: int
    fails_at: int
    recovers_at: int
    seeds: int  # of whoever has a bar
    oracle: float
    statics: list[float]  # expected, one a model
    outcomes: list[Outcome]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figure8:
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**content, "outcomes": [Outcome(**one) for one in content["outcomes"]]})

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised, over all contestants."""
        return [fault for outcome in self.outcomes for fault in outcome.faults]


def measure(stage: Stage) -> Figure8:
    """Run every contestant on every seed."""
    scale = FULL if stage.is_full else QUICK
    scale = replace(scale, seeds=min(scale.seeds, stage.seeds or scale.seeds))
    for is_correlated in (False, True):
        for member in range(len(ERROR_RATIOS)):
            environment = environment_of(member, is_correlated=is_correlated)
            stage.deploy_simulated(model_name(member, is_correlated=is_correlated), environment)
    outcomes = []
    for has_bar in (True, False)[: 1 if stage.bars_only else 2]:
        wave = {run: one for run, one in enumerate(CONTESTANTS) if (one.limit is not None) == has_bar}
        outcomes += measure_together(stage, scale, wave)
    order = [contestant.name for contestant in CONTESTANTS]
    outcomes.sort(key=lambda outcome: order.index(outcome.name))
    return Figure8(
        queries=scale.queries,
        fails_at=scale.fails_at,
        recovers_at=scale.recovers_at,
        seeds=scale.seeds,
        oracle=oracle_ratio(scale),
        statics=list(static_ratios(scale)),
        outcomes=outcomes,
    )


def measure_together(stage: Stage, scale: Scale, wave: Mapping[int, Contestant]) -> list[Outcome]:
    """Let contestants go through their scripts at the same time, each seed with an application of its own.

    Side by side their queries share batches, and the answer to one of them takes about as long as to ask them all: so
    feedback is back in the plan after fewer queries than if each had the machine to itself.

    Parameters
    ----------
    wave : mapping
        Number of the run to contestant; the number says which queries it gets.
    """
    for contestant in wave.values():
        names = [model_name(member, is_correlated=contestant.is_correlated) for member in range(len(ERROR_RATIOS))]
        for application in _applications(scale, contestant):
            stage.register(application, names, contestant.policy, SLO_US, INPUT_LENGTH, contestant.learning)
    started_s = time.monotonic()
    watches = {run: LagWatch(stage, _applications(scale, contestant)[0]) for run, contestant in wave.items()}
    found = uvloop.run(_run_together(stage.port, scale, wave, watches))
    duration_s = time.monotonic() - started_s
    outcomes = []
    for run, contestant in wave.items():
        for application in _applications(scale, contestant):
            stage.clipper.delete_application(application)
        outcomes.append(_summarise(contestant, scale, found[run], watches[run], duration_s))
        late = f", labels {contestant.delay} late" if contestant.delay else ""
        stage.tell(f"{contestant.name}{late}: {outcomes[-1].error}, {outcomes[-1].lag_mean:.1f} behind")
    return outcomes


def _applications(scale: Scale, contestant: Contestant) -> list[str]:
    return [f"{contestant.name}-{seed}" for seed in range(min(scale.seeds, contestant.seeds))]


async def _run_together(
    port: int, scale: Scale, wave: Mapping[int, Contestant], watches: Mapping[int, LagWatch]
) -> dict[int, list[Seed]]:
    sampling = [asyncio.create_task(watch.run()) for watch in watches.values()]
    try:
        async with asyncio.TaskGroup() as group:
            running = {
                run: [
                    group.create_task(
                        run_script(
                            port,
                            application,
                            Script.write(scale, run, seed),
                            contestant,
                            watches[run] if seed == 0 else None,
                        )
                    )
                    for seed, application in enumerate(_applications(scale, contestant))
                ]
                for run, contestant in wave.items()
            }
        return {run: [task.result() for task in tasks] for run, tasks in running.items()}
    finally:
        for task in sampling:
            task.cancel()
        await asyncio.gather(*sampling, return_exceptions=True)


async def run_script(
    port: int, application: str, script: Script, contestant: Contestant, watch: LagWatch | None = None
) -> Seed:
    """Ask the queries one after another; each answer's label goes out `delay` queries after it, with the next query."""
    truth = script.answers(is_correlated=contestant.is_correlated).T.tolist()
    queries = len(script.labels)
    is_wrong, members = np.ones(queries, np.bool_), np.full(queries, NOBODY)
    defaults, strange = list[str](), list[str]()
    owed: deque[bytes] = deque()
    async with QueryConnection(port) as connection:
        for at in range(queries):
            due = [owed.popleft()] if len(owed) > contestant.delay else []
            *told, answer = await connection.exchange(*due, predict(application, script.input(at)))
            strange += _untaken(told)
            seen = answer.or_raise()
            if watch is not None:
                watch.told += len(told)
            owed.append(update(application, seen["query_id"], int(script.labels[at])))
            if seen["default"]:
                defaults.append(f"query {at}: {seen['default_explanation']}")
                continue
            is_wrong[at] = seen["output"] != script.labels[at]
            members[at] = _member(seen["model"])
            possible = truth[at] if members[at] == NOBODY else [truth[at][members[at]]]
            if seen["output"] not in possible:
                strange.append(f"query {at}: {seen['model']} answered {seen['output']}, possible was {possible}")
        while owed:
            strange += _untaken(await connection.exchange(owed.popleft()))
    return Seed(is_wrong, members, defaults, strange)


def _untaken(answers: Sequence[Answer]) -> Iterator[str]:
    for answer in answers:
        if answer.or_raise().get("feedback") != "joined":
            yield f"feedback was answered {answer.body}"


def _member(model: str) -> int:
    """Return which member an answer names: `independent-3:1` is number 2."""
    return NOBODY if "+" in model else int(model.partition(":")[0].rpartition("-")[2]) - 1


def _summarise(
    contestant: Contestant, scale: Scale, seeds: Sequence[Seed], watch: LagWatch, duration_s: float
) -> Outcome:
    is_wrong = np.stack([seed.is_wrong for seed in seeds])
    members = np.stack([seed.members for seed in seeds])
    ends = np.linspace(0, scale.queries, CURVE_POINTS + 1).astype(int)
    cumulative = is_wrong.cumsum(axis=1)[:, ends[1:] - 1] / ends[1:]
    points = [mean_interval([float(value) for value in column]) for column in cumulative.T]
    shares = [
        [float((members[:, first:last] == member).mean()) for first, last in zip(ends[:-1], ends[1:], strict=True)]
        for member in range(len(ERROR_RATIOS))
    ]
    return Outcome(
        name=contestant.name,
        title=contestant.title,
        is_correlated=contestant.is_correlated,
        delay=contestant.delay,
        limit=contestant.limit if scale.queries == FULL.queries else None,
        overall=[float(one) for one in is_wrong.mean(axis=1)],
        phases=[[float(one) for one in is_wrong[:, phase].mean(axis=1)] for phase in scale.phases],
        curve=[point.mean for point in points],
        curve_half=[point.half for point in points],
        shares=[] if contestant.is_ensemble else shares,
        defaults=[one for seed in seeds for one in seed.defaults],
        strange=[one for seed in seeds for one in seed.strange],
        lag_mean=watch.mean,
        lag_max=watch.most,
        duration_s=round(duration_s, 1),
    )
