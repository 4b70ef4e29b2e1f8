"""Several applications at once: the highest total rate at which each keeps its own objective.

One open-loop client for each application sends its share of the rate, all at the same time. A run holds if every
application's p99 is below its own objective, and fails if one is not; what the others did is told beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.loadgen.open_loop import Arrivals, OpenLoopRun, run_open_loop
from bench.open_loop import Guess, OpenLoopOptions, judge, search
from bench.results import RateCell, RateProbe
from bench.rows import Row
from bench.subjects.subject import Subject, SubjectError
from bench.workloads import Part
from clipper.bench.rate_search import Verdict
from clipper.bench.usage import Snapshot, usage_between


def search_mixed_rate(
    subject: Subject, row: Row, round_number: int, guess: Guess, options: OpenLoopOptions
) -> RateCell:
    """Search the highest total rate of one subject.

    Raises
    ------
    SubjectError
        If the subject does not serve an application of the row, or died.
    """
    files = []
    for part in row.mix:
        template = subject.mixed_template(part)
        if template is None:
            raise SubjectError(f"{subject.name} does not serve {part.workload}")
        file = subject.directory / f"{row.name}-{part.workload}.requests"
        template.write(file, subject.port)
        files.append(file)

    def run_once(rate_per_s: float, seed: int) -> tuple[Verdict, RateProbe]:
        return _run_once(subject, row, files, rate_per_s, options, seed)

    return search(subject, row, round_number, guess, options, run_once)


def _run_once(
    subject: Subject, row: Row, files: Sequence[Path], rate_per_s: float, options: OpenLoopOptions, seed: int
) -> tuple[Verdict, RateProbe]:
    total_s = options.duration_s + options.warmup_s
    clients = [
        Arrivals(
            rate_per_s=rate_per_s * part.share,
            duration_s=options.duration_s,
            warmup_s=options.warmup_s,
            connections=max(1, options.connections // len(row.mix)),
            seed=seed * len(row.mix) + place,
            first_counter=subject.take_counters(int(rate_per_s * part.share * total_s * 1.1) + 1_000),
        )
        for place, part in enumerate(row.mix)
    ]
    expectations = [subject.expectation(part.workload) for part in row.mix]
    before = Snapshot.take(subject.roots())
    with ThreadPoolExecutor(len(clients)) as pool:
        runs = list(pool.map(run_open_loop, [subject.port] * len(files), files, clients, expectations))
    usage = usage_between(before, Snapshot.take(subject.roots()), sum(run.cpu_us for run in runs))
    is_disturbed = usage.other_cores > options.max_other_cores
    verdict, note = judge_parts(row.mix, runs, is_disturbed)
    worst = max(range(len(runs)), key=lambda place: runs[place].latency_us(99) / row.mix[place].slo_us)
    return verdict, RateProbe(
        rate_per_s=rate_per_s,
        verdict=verdict.value,
        p50_us=runs[worst].latency_us(50),
        p99_us=runs[worst].latency_us(99),
        failed=sum(run.failed for run in runs),
        lag_p99_us=max(run.lag_p99_us for run in runs),
        load_cores=sum(run.cpu_us / max(1, run.elapsed_us) for run in runs),
        other_cores=usage.other_cores,
        note=note,
    )


def judge_parts(mix: Sequence[Part], runs: Sequence[OpenLoopRun], is_disturbed: bool) -> tuple[Verdict, str]:
    """Judge each application's run by its own objective: all must hold, and one that fails fails the whole.

    Returns
    -------
    Verdict, str
        The note tells each application's p99 beside its objective, and what else is to be said.
    """
    verdicts = [judge(run, is_disturbed, part.slo_us) for part, run in zip(mix, runs, strict=True)]
    kinds = {verdict for verdict, _ in verdicts}
    whole = Verdict.HOLDS if kinds == {Verdict.HOLDS} else Verdict.VOID if Verdict.VOID in kinds else Verdict.FAILS
    parts = []
    for part, run, (_, note) in zip(mix, runs, verdicts, strict=True):
        text = f"{part.workload} {run.latency_us(99) / 1e3:.1f} of {part.slo_us / 1e3:.0f} ms"
        parts.append(f"{text} ({note})" if note else text)
    return whole, "; ".join(parts)
