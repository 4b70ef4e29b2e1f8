"""Figure 4: what adaptive batching is worth, as the paper counts it and as a user would.

The paper offers far more than a container can serve and counts what comes out. In those runs no query at all was
answered within the objective. So beside that throughput stand the goodput of the very same run, and the highest rate at
which 99% of what is offered is answered in time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from bench.lines import FOREST, KERNEL_SVM, LINEAR, SLO_US, SPARK, Line
from bench.loadgen.request import CounterForm, RequestTemplate
from bench.paper.large_digits import FITTED, LARGE, fit, large_split, octets_around_hole
from bench.paper.probes import ANSWERED, OCTETS, Probe, Prober, Sustained, Target, echo_target, search
from bench.paper.stage import Stage, StageError
from bench.query_client import QueryConnection, predict

POLICIES: Final = ("aimd", "quantile", "none")
OVERLOAD: Final = 2.0
MAX_OFFERED_PER_S: Final = 20_000.0
QUICK_PER_S: Final = 300.0  # the quick form overloads nobody
FASTEST_PER_S: Final = 4_000.0
"""What a line may serve at most on a machine where client and frontend share two cores; a faster one is slowed down."""
SLOW_MOTIONS: Final = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0)
FEW_PER_S: Final = 500.0  # containers below it are measured side by side: together they are no load
LEAST_QUERIES: Final = 500  # of a run: five of them may be late
LONGEST_S: Final = 20.0  # a run, however few queries come
SIDE_BY_SIDE_QUERIES: Final = 1_600  # of a run where all policies share its time: chance weighs one in a hundred less
SIDE_BY_SIDE_LONGEST_S: Final = 80.0
QUICK_QUERIES: Final = 20
IMAGES: Final = 16
LIKELY_SHARE: Final = 0.7  # of the capacity, with batches: where the search begins
FEW_ITEMS: Final = 3  # in a batch of half the objective: such a container hardly batches
MANY_SERVICES: Final = 5.0

# What adaptive batching must gain in rate within the objective, at least: the paper's gains, corrected where its raw
# data says otherwise (docs/paper.md).
LEAST_GAIN: Final = {LINEAR.name: 11.0, FOREST.name: 40.0, SPARK.name: 4.1, KERNEL_SVM.name: 0.97}


@dataclass(frozen=True)
class Cell:
    """One container under one policy."""

    policy: str
    overload: Probe
    sustained: Sustained

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Cell:
        """Read what `dataclasses.asdict` wrote."""
        sustained = dict(content["sustained"])
        shown = sustained["shown_by"]
        sustained["shown_by"] = Probe(**shown) if shown else None
        return cls(content["policy"], Probe(**content["overload"]), Sustained(**sustained))


@dataclass(frozen=True)
class Row:
    """One container.

    Parameters
    ----------
    slow_motion : float
        How many times slower than the paper's line it was, the objective included: all ratios stay as they are.
    """

    name: str
    title: str
    slow_motion: float
    slo_us: int
    cells: list[Cell]

    def of(self, policy: str) -> Cell:
        """Return the cell of a policy."""
        return next(cell for cell in self.cells if cell.policy == policy)

    @property
    def gain(self) -> float | None:
        """Rate within the objective with adaptive batching over that without any; None where that is 0."""
        none = self.of("none").sustained.rate_per_s
        return self.of("aimd").sustained.rate_per_s / none if none else None


@dataclass(frozen=True)
class Figure4:
    """The whole figure."""

    overload: float
    rows: list[Row]
    is_judged: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figure4:
        """Read what `dataclasses.asdict` wrote."""
        rows = [Row(**{**row, "cells": [Cell.from_json(cell) for cell in row["cells"]]}) for row in content["rows"]]
        return cls(**{**content, "rows": rows})

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised; a void run shows nothing, and says so."""
        if not self.is_judged:
            return []
        found = []
        for row in self.rows:
            least = LEAST_GAIN.get(row.name)
            if least is not None and row.gain is not None and row.gain < least:
                found.append(f"{row.title}: adaptive batching gains {row.gain:.1f}x, the bar is {least:g}x")
            for cell in row.cells:
                if cell.overload.void_reason:
                    found.append(f"{row.title}, {cell.policy}: void, {cell.overload.void_reason}")
        return found


@dataclass(frozen=True)
class Subject:
    """A container: a line of the paper's in slow motion, or a fitted model at its own pace."""

    name: str
    title: str
    line: Line | None
    slow_motion: float = 1.0

    @property
    def slo_us(self) -> int:
        """Objective, in the same slow motion."""
        return round(SLO_US * self.slow_motion)

    def deploy(self, stage: Stage, policy: str) -> Target:
        """Deploy it with a batching policy, and an application of its own."""
        application = f"batching-{self.name}-{policy}"
        options: dict[str, Any] = {"batch_size": 1} if policy == "none" else {"batching": policy}
        length = 4 if self.line is not None else LARGE
        if self.line is not None:
            stage.deploy_line(application, self.line.slowed(self.slow_motion), **options)
        else:
            stage.deploy_fitted(application, fit(self.name.removeprefix("real-")), LARGE, **options)
        stage.register(application, [application], {"name": "static"}, self.slo_us, length, cache=False)
        if self.line is not None:
            return echo_target(application, self.slo_us)
        check_answers(stage, application, fit(self.name.removeprefix("real-")))
        path, bodies = f"/{application}/predict", octets_around_hole(IMAGES)
        template = RequestTemplate(path, OCTETS, bodies, CounterForm.DOUBLE)
        return Target(application, application, self.slo_us, template, ANSWERED)


def check_answers(stage: Stage, application: str, estimator: Any) -> None:
    """Ask some images.

    Raises
    ------
    StageError
        An answer is not the model's own.
    """
    images = large_split()[1].pixels[:IMAGES]
    wanted = estimator.predict(images).tolist()

    async def ask() -> list[Any]:
        async with QueryConnection(stage.port) as connection:
            answers = [await connection.exchange(predict(application, image.tolist())) for image in images]
        return [answer.or_raise() for (answer,) in answers]

    for at, seen in enumerate(asyncio.run(ask())):
        if not seen["default"] and seen["output"] != wanted[at]:
            raise StageError(f"{application} answers {seen['output']!r} to image {at}, its model {wanted[at]!r}")


def slow_motion_of(line: Line) -> float:
    """Return by how much a line is slowed down so that this machine's frontend and client are no part of the answer."""
    for factor in SLOW_MOTIONS:
        if line.two_batch_rate_per_s() / factor <= FASTEST_PER_S:
            return factor
    return SLOW_MOTIONS[-1]


LINES: Final = (
    (LINEAR, "linear SVM (scikit-learn)"),
    (FOREST, "random forest (scikit-learn)"),
    (SPARK, "linear SVM (PySpark)"),
    (KERNEL_SVM, "kernel SVM (scikit-learn)"),
)
REAL: Final = ("linear-svm", "forest")


def subjects(is_full: bool) -> Sequence[Subject]:
    """Return the containers of one form of the figure."""
    lines = [Subject(line.name, title, line, slow_motion_of(line)) for line, title in LINES]
    if not is_full:
        return lines[1:2]
    return [*lines, *(Subject(f"real-{name}", f"{FITTED[name]}, fitted", None) for name in REAL)]


def measure(stage: Stage) -> Figure4:
    """Measure every container, its policies in turn."""
    rows = []
    for subject in subjects(stage.is_full):
        with Prober(stage) as prober:
            rows.append(_measure_row(stage, prober, subject))
    return Figure4(OVERLOAD, rows, is_judged=stage.is_full)


def _measure_row(stage: Stage, prober: Prober, subject: Subject) -> Row:
    targets = {policy: subject.deploy(stage, policy) for policy in POLICIES}
    capacities = {policy: _capacity_per_s(subject, prober, target, policy) for policy, target in targets.items()}
    if not stage.is_full:
        capacities = {policy: min(QUICK_PER_S, capacity) for policy, capacity in capacities.items()}
    seconds, max_runs, tries = (3.0, 10, 2) if stage.is_full else (0.5, 1, 1)
    is_side_by_side = subject.line is not None and max(capacities.values()) < FEW_PER_S
    least, longest_s = (SIDE_BY_SIDE_QUERIES, SIDE_BY_SIDE_LONGEST_S) if is_side_by_side else (LEAST_QUERIES, LONGEST_S)
    if not stage.is_full:
        least = QUICK_QUERIES

    def run(policy: str) -> Cell:
        capacity, target = capacities[policy], targets[policy]

        def at(rate: float, seed: int) -> Probe:
            return prober.probe(target, rate, max(seconds, min(longest_s, least / rate)), seed)

        guess = likely_share(subject, policy, capacity) * capacity if stage.is_full else 0.2 * capacity
        sustained = search(at, max(1.0, guess), max_runs, tries)
        # Afterwards, when the batch sizes have been found; and in slow motion, in which a second holds few batches.
        offered = min(MAX_OFFERED_PER_S, OVERLOAD * (capacity if subject.line else sustained.rate_per_s or capacity))
        overload_s = max(seconds, min(longest_s, least / offered), min(LONGEST_S, seconds * subject.slow_motion))
        overload = prober.probe_until_valid(target, offered, overload_s)
        stage.tell(
            f"{subject.title}, {policy}: {overload.answered_per_s:,.0f}/s of {overload.offered_per_s:,.0f}/s, "
            f"{overload.goodput_per_s:,.0f}/s in time; {sustained.rate_per_s:,.1f}/s sustained"
        )
        return Cell(policy, overload, sustained)

    if is_side_by_side:
        with ThreadPoolExecutor(len(POLICIES)) as pool:
            cells = list(pool.map(run, POLICIES))
    else:
        cells = [run(policy) for policy in POLICIES]
    for target in targets.values():
        stage.clipper.unlink_model_from_app(target.application, target.model)
        stage.clipper.delete_model(target.model)
    return Row(subject.name, subject.title, subject.slow_motion, subject.slo_us, cells)


def _capacity_per_s(subject: Subject, prober: Prober, target: Target, policy: str) -> float:
    """Return about what a container can serve: by its line; a fitted one's is what a short overload shows."""
    if subject.line is not None:
        line = subject.line.slowed(subject.slow_motion)
        alone = line.capacity_per_s(1)
        return alone if policy == "none" else max(alone, line.two_batch_rate_per_s(subject.slo_us))
    seen = prober.probe(target, MAX_OFFERED_PER_S / 2, 1.0)
    return max(20.0, seen.answered_per_s)


def likely_share(subject: Subject, policy: str, capacity_per_s: float) -> float:
    """Return where to begin the search: the share of the capacity at which 99% might be in time.

    A container that has to take queries one by one is a queue with one server. In heavy traffic a wait exceeds t with
    about exp(-2 (1 - r) / r * t / T) at load r and service time T (Kingman 1961); where T is no small part of the
    objective chance costs more than that.
    """
    few = subject.line is not None and subject.line.size_within(SLO_US / 2) <= FEW_ITEMS
    if policy != "none" and not few:
        return LIKELY_SHARE
    service_us = 1e6 / capacity_per_s
    waits = max(0.5, (subject.slo_us - service_us) / service_us)
    load = 1 / (1 + math.log(100) / 2 / waits)
    return load if waits > MANY_SERVICES else 0.7 * load
