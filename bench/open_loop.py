"""Finds the highest Poisson rate at which a subject keeps p99 under the bar, counted from the scheduled arrival."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.loadgen.open_loop import Arrivals, OpenLoopRun, run_open_loop
from bench.results import RateCell, RateProbe
from bench.rows import Row
from bench.subjects.subject import Subject, SubjectError
from clipper.bench.rate_search import RateSearch, Verdict
from clipper.bench.usage import Snapshot, usage_between

P99_LIMIT_US = 20_000.0
MIN_COMPLETED_RATIO = 0.99


@dataclass(frozen=True)
class OpenLoopOptions:
    """How a search is made.

    Parameters
    ----------
    connections : int
        Keep-alive connections of the client; opened before the first arrival, used as needed.
    first_guess_ratio : float
        The search begins at this part of the closed-loop rate at c=128.
    first_step_ratio, known_step_ratio : float
        The strides of that search, and of one that begins at what an earlier round found.
    """

    duration_s: float = 4.0
    warmup_s: float = 1.0
    max_runs: int = 14
    resolution_ratio: float = 1.05
    connections: int = 512
    first_guess_ratio: float = 0.7
    first_step_ratio: float = 1.3
    known_step_ratio: float = 1.1
    max_other_cores: float = 0.2
    seed: int = 20_17


def judge(run: OpenLoopRun, is_disturbed: bool, limit_us: float = P99_LIMIT_US) -> tuple[Verdict, str]:
    """Decide what a run showed, and say why: it holds with p99 below the limit.

    A run that holds although it was disturbed, or although the client lagged, holds all the more. Unanswered, refused
    and wrong answers count as infinitely late, so that p99 under the bar leaves room for less than one in a hundred.
    """
    p99_us = run.latency_us(99)
    if run.scheduled and p99_us < limit_us and run.completed >= MIN_COMPLETED_RATIO * run.scheduled:
        return Verdict.HOLDS, ""
    if run.void_reason:
        return Verdict.VOID, run.void_reason
    if is_disturbed:
        return Verdict.VOID, "other processes were busy"
    return Verdict.FAILS, ", ".join(f"{kind} {count}" for kind, count in run.failures.items())


@dataclass(frozen=True)
class Guess:
    """What a search may begin with.

    Parameters
    ----------
    closed_loop_per_s : float
        The rate of a closed loop, or an estimate of it.
    found_per_s : float
        What earlier rounds found; 0 if there were none or they found nothing.
    """

    closed_loop_per_s: float
    found_per_s: float = 0.0

    def search(self, options: OpenLoopOptions) -> RateSearch:
        """Begin the search: with long strides from a closed loop's rate, with short ones from a rate that held."""
        first = self.found_per_s or self.closed_loop_per_s * options.first_guess_ratio
        step = options.known_step_ratio if self.found_per_s else options.first_step_ratio
        return RateSearch(max(10.0, first), options.resolution_ratio, options.max_runs, step_ratio=step)


def search_rate(subject: Subject, row: Row, round_number: int, guess: Guess, options: OpenLoopOptions) -> RateCell:
    """Search the highest rate of one subject.

    Raises
    ------
    SubjectError
        If the subject does not serve the row, or died.
    """
    template = subject.template(row.workload)
    if template is None:
        raise SubjectError(f"{subject.name} does not serve {row.workload}")
    file = subject.directory / f"{row.name}.requests"
    template.write(file, subject.port)

    def run_once(rate_per_s: float, seed: int) -> tuple[Verdict, RateProbe]:
        return _run_once(subject, row, file, rate_per_s, options, seed)

    return search(subject, row, round_number, guess, options, run_once)


def search(
    subject: Subject,
    row: Row,
    round_number: int,
    guess: Guess,
    options: OpenLoopOptions,
    run_once: Callable[[float, int], tuple[Verdict, RateProbe]],
) -> RateCell:
    """Search with runs made by `run_once(rate_per_s, seed)`.

    Raises
    ------
    SubjectError
        If the subject died.
    """
    rates = guess.search(options)
    probes: list[RateProbe] = []
    while (rate := rates.next_rate()) is not None:
        verdict, probe = run_once(rate, options.seed + len(probes))
        rates.observe(verdict)
        probes.append(probe)
        if not subject.is_running():
            raise SubjectError(f"{subject.name} died at {rate:.0f} requests/s; its log ends: {subject.log_tail()}")
    return RateCell(row.name, subject.name, round_number, rates.best, rates.is_limited_by_client, tuple(probes))


def _run_once(
    subject: Subject, row: Row, file: Path, rate: float, options: OpenLoopOptions, seed: int
) -> tuple[Verdict, RateProbe]:
    total_s = options.duration_s + options.warmup_s
    arrivals = Arrivals(
        rate_per_s=rate,
        duration_s=options.duration_s,
        warmup_s=options.warmup_s,
        connections=options.connections,
        seed=seed,
        first_counter=subject.take_counters(int(rate * total_s * 1.1) + 1_000),
    )
    before = Snapshot.take(subject.roots())
    run = run_open_loop(subject.port, file, arrivals, subject.expectation(row.workload))
    usage = usage_between(before, Snapshot.take(subject.roots()), run.cpu_us)
    verdict, note = judge(run, usage.other_cores > options.max_other_cores)
    return verdict, RateProbe(
        rate_per_s=rate,
        verdict=verdict.value,
        p50_us=run.latency_us(50),
        p99_us=run.latency_us(99),
        failed=run.failed,
        lag_p99_us=run.lag_p99_us,
        load_cores=run.cpu_us / max(1, run.elapsed_us),
        other_cores=usage.other_cores,
        note=note,
    )
