"""Holds the estimators of `clipper evaluate` to a known truth: `python -m bench.evaluation`, with --record in docs."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.document import DOCUMENTS, write_into
from bench.evaluation.experiments import EXPERIMENTS
from bench.evaluation.measure import Result, measure
from clipper.bench.progress import Progress

DOCUMENT: Final = DOCUMENTS / "evaluation.md"
WRITTEN_BY: Final = "bench/evaluation --record"
DEFAULT_SEEDS: Final = 400
MAX_BIAS_DEVIATIONS: Final = 4.0
"""Of an estimate that is promised to be unbiased, from the truth, in standard errors."""
MIN_COVERAGE: Final = 0.92
"""Of 95% intervals, less what chance does to so many seeds."""
UNBIASED: Final = frozenset({"ips", "doubly_robust"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.evaluation", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, help="logs of each world (default: %(default)s)")
    parser.add_argument("--only", nargs="*", metavar="WORLD", help=", ".join(world.name for world in EXPERIMENTS))
    parser.add_argument("--record", action="store_true", help=f"write the table of {Path(DOCUMENT).name} anew")
    options = parser.parse_args(arguments)
    worlds = [world for world in EXPERIMENTS if not options.only or world.name in options.only]
    progress = Progress(sum(world.queries for world in worlds) * options.seeds * 1e-5)
    results: list[Result] = []
    for world in worlds:
        progress.show(world.name)
        results += measure(world, options.seeds, lambda seed: None)
        progress.advance(world.queries * options.seeds * 1e-5)
    progress.end()
    table = render(results)
    print(table)
    faults = [fault for result in results for fault in faults_of(result)]
    print(*faults, sep="\n", file=sys.stderr)
    if options.record:
        when = datetime.now(tz=UTC)
        write_into(DOCUMENT, WRITTEN_BY, f"{table}\n\n{options.seeds} logs of each, {when:%Y-%m-%d}.")
    return 1 if faults else 0


def faults_of(result: Result) -> list[str]:
    """Return what does not hold of what docs/evaluation.md promises."""
    found = []
    where = f"{result.experiment}, {result.estimator}"
    if result.estimator in UNBIASED and abs(result.bias) > MAX_BIAS_DEVIATIONS * result.bias_error + 1e-12:
        found.append(f"{where}: biased by {result.bias:+.4f} +- {result.bias_error:.4f}")
    least = MIN_COVERAGE - 3 * math.sqrt(0.95 * 0.05 / result.seeds)
    if result.coverage < least:
        found.append(f"{where}: 95% intervals hold the truth in {result.coverage:.1%} of {result.seeds} logs")
    return found


def render(results: Sequence[Result]) -> str:
    """Write the Markdown table."""
    lines = [
        "| traffic, log and candidate | truth | sample size | estimator | bias | RMS error | interval | holds it |",
        "|---|--:|--:|---|--:|--:|--:|--:|",
    ]
    for world in EXPERIMENTS:
        of_world = [result for result in results if result.experiment == world.name]
        for number, result in enumerate(of_world):
            begin = ["", "", ""]
            if number == 0:
                begin = [f"{world.name}: {world.title}", f"{result.truth:.3f}", _size(world.queries, result)]
            cells = [
                *begin,
                result.estimator.replace("_", " "),
                f"{result.bias:+.4f} ± {result.bias_error:.4f}",
                f"{result.root_mean_square_error:.4f}",
                f"± {result.width / 2:.4f}",
                f"{result.coverage:.1%}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _size(queries: int, result: Result) -> str:
    return f"{result.effective_sample_size:,.0f} of {queries:,}"


if __name__ == "__main__":
    sys.exit(main())
