"""Compare Clipper with what a user would pick instead, in one run: `python -m bench.compare`.

Writes bench/results/<time>-<commit>.json and the Markdown rendered from it, and prints the latter. README.md tells the
method. The exit code is 1 if a judged bar is missed or a subject that took part answered wrong.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bars import Outcome, judge_all
from bench.closed_loop import ClosedLoopOptions, measure_cell
from bench.install_peers import missing_tools
from bench.loadgen.open_loop import build_client
from bench.loadgen.wrk import LoadError
from bench.machine import describe_machine
from bench.mixed import search_mixed_rate
from bench.open_loop import Guess, OpenLoopOptions, search_rate
from bench.report import render
from bench.results import Run, SubjectInfo, median_of, save
from bench.rows import LINEAR_C128, NOOP_C128, ROWS, TREES_C128, Row, Step, plan
from bench.subjects.registry import SUBJECTS
from bench.subjects.subject import Site, Subject, SubjectError
from bench.workloads import fit_linear_model, missing_module
from clipper.bench.machine import TRACKED
from clipper.bench.progress import Progress, format_duration

RESULTS = Path(__file__).with_name("results")
ANSWERS_CHECKED = 64  # of each workload, one after another, before anything is measured
ANSWERS_CHECKED_QUICKLY = 16
FAILURES = (SubjectError, LoadError, OSError, http.client.HTTPException, ValueError, KeyError)
# Of the runs that a search may take, those that it usually takes: later rounds begin where the first one ended.
FIRST_SEARCH_RUNS, LATER_SEARCH_RUNS = 0.6, 0.35
DEFAULT_GUESS_PER_S = 10_000.0  # where the open-loop search begins if no closed-loop figure is there


@dataclass(frozen=True)
class CompareOptions:
    """How a whole run is made."""

    rounds: int
    closed: ClosedLoopOptions
    open: OpenLoopOptions
    rows: frozenset[str]
    subjects: tuple[str, ...]
    is_quick: bool
    results: Path = RESULTS
    left_out: tuple[str, ...] = ()  # rows that cannot be measured here, and why

    @property
    def answers_checked(self) -> int:
        """How many answers to each workload are looked at before it is measured."""
        return ANSWERS_CHECKED_QUICKLY if self.is_quick else ANSWERS_CHECKED

    def described(self) -> dict[str, object]:
        """Return what the report says of them."""
        return {
            "rounds": self.rounds,
            "seconds a cell": self.closed.duration_s,
            "warm-up seconds": self.closed.warmup_s,
            "open-loop seconds": self.open.duration_s,
            "open-loop connections": self.open.connections,
            "others at most, cores": self.closed.max_other_cores,
            "seed": self.open.seed,
            "quick": self.is_quick,
        } | ({"left out": "; ".join(self.left_out)} if self.left_out else {})


class Comparison:
    """One run: keeps the subjects (and their counters) for its whole length, and collects the result."""

    def __init__(self, options: CompareOptions, site: Site) -> None:
        self.options = options
        chosen = [kind for kind in SUBJECTS if kind.name in options.subjects]
        self.subjects = {kind.name: kind(site) for kind in chosen}
        self.run = Run(describe_machine(), options.described(), [_info(s) for s in self.subjects.values()])
        present = [type(s) for s in self.subjects.values() if s.missing() is None]
        self.steps = plan(present, options.rounds, options.rows, options.is_quick)
        self.progress = Progress(sum(self._cost(step) for step in self.steps))

    def measure(self) -> Run:
        """Take every step; what fails is reported, and tried again in the next round."""
        for step in self.steps:
            self._take(step)
            self.progress.advance(self._cost(step))
        self.progress.end()
        return self.run

    def _take(self, step: Step) -> None:
        """One life of a subject. A row that fails does not keep the others from being measured while it lives."""
        subject = self.subjects[step.subject.name]
        self.progress.show(f"round {step.round}: starting {subject.name}")
        workloads = tuple(dict.fromkeys(workload for row in step.rows for workload in row.workloads))
        rows = step.rows
        try:
            subject.start(workloads)
            subject.wait_ready()
            for position, row in enumerate(rows):
                self.progress.show(f"round {step.round}: {subject.name}, {row.title}")
                try:
                    for workload in row.workloads:
                        subject.check(workload, self.options.answers_checked)
                    self._measure_row(subject, row, step.round)
                except FAILURES as error:
                    self._note(step, [row], error)
                    if not subject.is_running():
                        rows = rows[position + 1 :]
                        raise
        except FAILURES as error:
            if rows:
                self._note(step, rows, error)
        finally:
            subject.stop()

    def _note(self, step: Step, rows: Sequence[Row], error: Exception) -> None:
        names = ", ".join(row.name for row in rows)
        self.run.failures.append(f"{step.subject.name}, round {step.round}, {names}: {error}")

    def _measure_row(self, subject: Subject, row: Row, round_number: int) -> None:
        if row.mix:
            guess = Guess(self._mixed_guess(subject, row), self._found(row, subject))
            self.run.rates.append(search_mixed_rate(subject, row, round_number, guess, self.options.open))
        elif row.is_open_loop:
            closed_loop = self._closed_loop(NOOP_C128, subject) or DEFAULT_GUESS_PER_S
            guess = Guess(closed_loop, self._found(row, subject))
            self.run.rates.append(search_rate(subject, row, round_number, guess, self.options.open))
        else:
            self.run.cells.append(measure_cell(subject, row, round_number, self.options.closed))

    def _closed_loop(self, row: Row, subject: Subject) -> float | None:
        return median_of(cell.requests_per_s for cell in self.run.of(row.name, subject.name))

    def _found(self, row: Row, subject: Subject) -> float:
        """Return the median of what earlier rounds found; 0 if there is none."""
        cells = [cell for cell in self.run.rates if (cell.row, cell.subject) == (row.name, subject.name)]
        return median_of(cell.best_per_s for cell in cells if cell.best_per_s) or 0.0

    def _mixed_guess(self, subject: Subject, row: Row) -> float:
        """Add up what a query of each application costs, going by its closed-loop rate at 128 connections."""
        alone = {closed.workload: self._closed_loop(closed, subject) for closed in (NOOP_C128, TREES_C128, LINEAR_C128)}
        cost_s = sum(part.share / (alone.get(part.workload) or DEFAULT_GUESS_PER_S) for part in row.mix)
        return 1 / cost_s

    def _cost(self, step: Step) -> float:
        cell_s = self.options.closed.duration_s + self.options.closed.warmup_s + 1
        run_s = self.options.open.duration_s + self.options.open.warmup_s + 1
        search_s = run_s * self.options.open.max_runs * (LATER_SEARCH_RUNS if step.round > 1 else FIRST_SEARCH_RUNS)
        return step.subject.start_cost_s + sum(search_s if row.is_open_loop else cell_s for row in step.rows)


def _info(subject: Subject) -> SubjectInfo:
    missing = subject.missing()
    version = "" if missing else subject.version()
    cannot = {workload.value: reason for workload, reason in subject.cannot.items()}
    return SubjectInfo(subject.name, subject.role.value, version, subject.settings, missing, cannot)


def parse_options(arguments: Sequence[str] | None) -> CompareOptions:
    """Read the command line."""
    names, rows = [kind.name for kind in SUBJECTS], [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smoke: one round, 1 s cells, short searches")
    parser.add_argument("--rounds", type=int, help="default: 2, the second in reverse order; 1 with --quick")
    parser.add_argument("--seconds", type=int, help="of a cell; default: 5, or 1 with --quick")
    parser.add_argument("--subjects", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--rows", nargs="+", choices=rows, default=rows, metavar="ROW", help=", ".join(rows))
    parser.add_argument("--max-other-cores", type=float, default=0.2, help="what other processes may use (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where JSON and page go (default: bench/results)")
    given = parser.parse_args(arguments)
    quick: bool = given.quick
    closed = ClosedLoopOptions(
        duration_s=given.seconds or (1 if quick else 5),
        warmup_s=1,
        max_other_cores=given.max_other_cores,
        attempts=1 if quick else 4,
    )
    searching = OpenLoopOptions(max_other_cores=given.max_other_cores)
    if quick:
        searching = OpenLoopOptions(
            duration_s=1.0, warmup_s=0.5, max_runs=5, resolution_ratio=1.2, max_other_cores=given.max_other_cores
        )
    rounds = given.rounds or (1 if quick else 2)
    possible, left_out = possible_rows(given.rows)
    return CompareOptions(rounds, closed, searching, possible, tuple(given.subjects), quick, given.results, left_out)


def possible_rows(names: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Split rows into those that this program can make models for, and the others with what they need."""
    reasons = {
        row.name: reason
        for row in ROWS
        if row.name in names and (reason := next(filter(None, map(missing_module, row.workloads)), None))
    }
    return frozenset(names) - set(reasons), tuple(f"{name}: {reason}" for name, reason in reasons.items())


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_options(arguments)
    for tool, package in missing_tools().items():
        sys.stderr.write(f"{tool} is missing: apt-get install -y --no-install-recommends {package}\n")
    build_client()
    with tempfile.TemporaryDirectory(prefix="clipper-bench-") as directory:
        site = Site(Path(directory), fit_linear_model())
        site.save_models({workload for row in ROWS if row.name in options.rows for workload in row.workloads})
        comparison = Comparison(options, site)
        if comparison.run.machine.tracks_connections:
            sys.stderr.write(f"doubtful: {TRACKED}\n")
        for line in options.left_out:
            sys.stderr.write(f"left out: {line}\n")
        for info in comparison.run.subjects:
            if info.missing:
                sys.stderr.write(f"left out: {info.name}: {info.missing}\n")
        sys.stderr.write(f"about {format_duration(comparison.progress.total_cost)} in all\n")
        run = comparison.measure()
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{run.machine.commit[:8]}"
    save(run, options.results / f"{name}.json")
    page = render(run)
    (options.results / f"{name}.md").write_text(page, encoding="utf-8")
    sys.stdout.write(f"{page}\nwritten to {options.results / name}.json and .md\n")
    return exit_code(run, options.is_quick)


def exit_code(run: Run, is_quick: bool) -> int:
    """Return 1 for wrong answers, failed subjects and, unless it was only a smoke run, missed bars."""
    if run.failures or any(cell.wrong for cell in run.cells):
        return 1
    missed = any(judgement.outcome is Outcome.FAIL for judgement in judge_all(run))
    return 1 if missed and not is_quick else 0


if __name__ == "__main__":
    sys.exit(main())
