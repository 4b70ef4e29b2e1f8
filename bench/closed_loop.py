"""Measures one cell with wrk: warm-up, then the load between two looks at /proc and at the server's metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.answer_probe import AnswerProbe
from bench.loadgen.wrk import WrkResult
from bench.prometheus import counter_lines, growth, misses, parse_metrics, stage_summaries
from bench.results import Cell
from bench.rows import Row
from bench.subjects.subject import Subject, SubjectError
from bench.traffic import Traffic
from clipper.bench.usage import Snapshot, usage_between

COUNTERS_PER_S = 250_000  # more than any server answers here, so that no counter comes twice


@dataclass(frozen=True)
class ClosedLoopOptions:
    """How a cell is measured.

    Parameters
    ----------
    max_other_cores : float
        A measurement during which other processes used more is thrown away.
    attempts : int
        How often it is tried; if it was disturbed each time, the least disturbed is kept and marked.
    """

    duration_s: int = 10
    warmup_s: int = 2
    max_other_cores: float = 0.2
    attempts: int = 4


def measure_cell(subject: Subject, row: Row, round_number: int, options: ClosedLoopOptions) -> Cell:
    """Measure one subject on one closed-loop row.

    Raises
    ------
    SubjectError
        If the subject does not serve the row, or died under the load.
    """
    template = subject.requests(row.workload, row.traffic)
    if template is None:
        raise SubjectError(f"{subject.name} does not serve {row.workload}")
    file = subject.directory / f"{row.name}.requests"
    template.write(file, subject.port)
    first = subject.take_counters(1) if row.traffic is Traffic.REPEATED else None
    _load(subject, row, file, options.warmup_s, first)
    best: Cell | None = None
    for attempt in range(1, options.attempts + 1):
        with AnswerProbe(subject, row.workload, template, first) as probe:
            scraped = parse_metrics(subject.read_metrics())
            before = Snapshot.take(subject.roots())
            load = _load(subject, row, file, options.duration_s, first)
            after = Snapshot.take(subject.roots())
            grown = growth(scraped, parse_metrics(subject.read_metrics()))
        if not subject.is_running():
            raise SubjectError(f"{subject.name} died under {row.title}; its log ends: {subject.log_tail()}")
        usage = usage_between(before, after, load.load.cpu_us)
        missed = misses(grown)
        cell = Cell(
            row=row.name,
            subject=subject.name,
            round=round_number,
            connections=row.connections,
            requests=load.requests,
            duration_us=load.duration_us,
            requests_per_s=max(0, load.requests - load.errors - missed) / (load.duration_us / 1e6),
            p50_us=load.p50_us,
            p99_us=load.p99_us,
            max_us=load.max_us,
            errors=load.errors,
            misses=missed,
            probes=probe.asked,
            probe_defaults=probe.defaults,
            wrong=tuple(probe.wrong),
            server_cpu_us_per_query=usage.server_cpu_us / max(1, load.requests),
            server_cores=usage.server_cores,
            load_cores=load.load.cores,
            other_cores=usage.other_cores,
            steal_cores=usage.steal_cores,
            is_disturbed=usage.other_cores > options.max_other_cores,
            attempts=attempt,
            counters=counter_lines(grown),
            stages=tuple(stage_summaries(grown)),
        )
        if best is None or cell.other_cores < best.other_cores:
            best = cell
        if not cell.is_disturbed:
            break
    if best is None:
        raise ValueError(f"attempts must be positive, not {options.attempts}")
    return best


def _load(subject: Subject, row: Row, file: Path, duration_s: int, first_counter: int | None) -> WrkResult:
    first = subject.take_counters(COUNTERS_PER_S * duration_s) if first_counter is None else first_counter
    return subject.run_load(file, row.connections, duration_s, first)
