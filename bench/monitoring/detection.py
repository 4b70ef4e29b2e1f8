"""Simulated losses and outputs with a change at a known place, over many seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np

from clipper.monitoring.loss_monitor import LossMonitor
from clipper.monitoring.options import MonitorOptions
from clipper.monitoring.output_monitor import OutputMonitor

CHUNK: Final = 10_000


class Subject(Protocol):
    """Something that is told losses and says when they have risen."""

    def risen(self, loss: float) -> bool:
        """Take a loss; return whether it says now that the mean has risen."""


class Ours(Subject):
    """`LossMonitor` with one of its detectors, as management uses it."""

    def __init__(self, detector: str) -> None:
        self._monitor = LossMonitor(MonitorOptions(detector=detector))

    def risen(self, loss: float) -> bool:
        """Take a loss."""
        change = self._monitor.observe(loss)
        return change is not None and change.has_risen


class RiverPageHinkley(Subject):
    """The library's Page-Hinkley test as it comes: a fixed threshold of 50."""

    def __init__(self) -> None:
        self._test: Any = import_module("river.drift").PageHinkley(mode="up")

    def risen(self, loss: float) -> bool:
        """Take a loss."""
        self._test.update(loss)
        return bool(self._test.drift_detected)


SUBJECTS: Final[dict[str, Callable[[], Subject]]] = {
    "`page_hinkley`": lambda: Ours("page_hinkley"),
    "`adwin`": lambda: Ours("adwin"),
    "river's PageHinkley": RiverPageHinkley,
}


@dataclass(frozen=True)
class FalseAlarms:
    """Alarms while nothing changed."""

    subject: str
    loss: float
    feedbacks: int
    alarms: int


@dataclass(frozen=True)
class Delays:
    """Feedbacks from a change to its alarm; runs that alarmed before it, and that had not alarmed at the end."""

    subject: str
    before: float
    after: float
    delays: tuple[int, ...]
    early: int
    missed: int


def false_alarms(subject: str, loss: float, seeds: int, feedbacks: int) -> FalseAlarms:
    """Count alarms over ``seeds`` runs of ``feedbacks`` coin tosses whose bias stays."""
    alarms = 0
    for seed in range(seeds):
        test = SUBJECTS[subject]()
        alarms += sum(test.risen(value) for value in _tosses(loss, feedbacks, seed))
    return FalseAlarms(subject, loss, seeds * feedbacks, alarms)


def delays(subject: str, before: float, after: float, seeds: int, healthy: int, limit: int) -> Delays:
    """Measure how many feedbacks after the change the alarm comes, in each of ``seeds`` runs."""
    found: list[int] = []
    early = missed = 0
    for seed in range(seeds):
        test = SUBJECTS[subject]()
        if sum(test.risen(value) for value in _tosses(before, healthy, 2 * seed)):
            early += 1
            continue
        delay = next((at for at, value in enumerate(_tosses(after, limit, 2 * seed + 1), 1) if test.risen(value)), None)
        if delay is None:
            missed += 1
        else:
            found.append(delay)
    return Delays(subject, before, after, tuple(sorted(found)), early, missed)


def _tosses(mean: float, count: int, seed: int) -> Iterator[float]:
    generator = np.random.default_rng((seed, round(mean * 1e6)))
    for start in range(0, count, CHUNK):
        yield from (generator.random(min(CHUNK, count - start)) < mean).astype(np.float64).tolist()


@dataclass(frozen=True)
class OutputRun:
    """Windows of outputs that were called changed, of those that had not changed and of those that had."""

    what: str
    measure: str
    unchanged_windows: int
    false_changes: int
    changed_windows: int
    noticed: int


@dataclass(frozen=True)
class Cost:
    """CPU time of one loss and of one sampled output of one model, us."""

    detector: str
    loss_us: float
    output_us: float


def costs(detector: str, feedbacks: int) -> Cost:
    """Measure what an arm costs, with what is done once a window spread over its values."""
    options = MonitorOptions(detector=detector)
    losses, outputs = LossMonitor(options), OutputMonitor(options)
    values = list(_tosses(0.1, feedbacks, 0))
    began_s = time.process_time()
    for value in values:
        losses.observe(value)
    between_s = time.process_time()
    for number in range(feedbacks):
        outputs.observe(number % 10)
    ended_s = time.process_time()
    return Cost(detector, (between_s - began_s) / feedbacks * 1e6, (ended_s - between_s) / feedbacks * 1e6)


Draw = Callable[[np.random.Generator, int], Sequence[object]]


def output_run(what: str, before: Draw, after: Draw, seeds: int, windows: int) -> OutputRun:
    """Compare ``windows`` windows that have not changed, then one that has, in each of ``seeds`` runs."""
    options = MonitorOptions()
    false = noticed = 0
    measure = ""
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        monitor = OutputMonitor(options)
        for window in range(windows + 1):
            _feed(monitor, before(generator, options.output_window))
            false += window > 0 and monitor.has_changed
        _feed(monitor, after(generator, options.output_window))
        noticed += monitor.has_changed
        measure = monitor.measure or ""
    return OutputRun(what, measure, seeds * windows, false, seeds, noticed)


def _feed(monitor: OutputMonitor, outputs: Sequence[object]) -> None:
    for output in outputs:
        monitor.observe(output)


def _labels(shares: Sequence[float]) -> Draw:
    return lambda generator, count: generator.choice(len(shares), size=count, p=shares).tolist()


def _normal(mean: float, deviation: float) -> Draw:
    return lambda generator, count: generator.normal(mean, deviation, count).tolist()


TEN: Final = (0.1,) * 10
OUTPUTS: Final[tuple[tuple[str, Draw, Draw], ...]] = (
    ("10 labels, one of them twice as often", _labels(TEN), _labels((0.2, *(0.8 / 9,) * 9))),
    ("10 labels, one of them half of all", _labels(TEN), _labels((0.5, *(0.5 / 9,) * 9))),
    ("2 labels, 10% to 30%", _labels((0.9, 0.1)), _labels((0.7, 0.3))),
    ("numbers, shifted by a quarter of their deviation", _normal(0, 1), _normal(0.25, 1)),
    ("numbers, shifted by their deviation", _normal(0, 1), _normal(1, 1)),
    ("numbers, half as wide", _normal(0, 1), _normal(0, 0.4)),
)
