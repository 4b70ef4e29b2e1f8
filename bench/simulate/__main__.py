"""Answer the questions of docs/batching.md in simulated time: ``python -m bench.simulate``.

Prints the tables; with --write they go into docs/batching.md. The exit code is 1 if an untuned controller stays below
95% of the best fixed size's sustainable rate, or its goodput under overload below its own sustainable rate.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from bench.document import BATCHING, write_into
from bench.lines import FOREST, PAPER_LINES
from bench.simulate.report import disturbance_table, drop_table, lines_table, measure_line, missed_bars
from bench.simulate.scenario import AIMD, on_line
from bench.simulate.search import FULL, QUICK, outcome_at

NAME = "python -m bench.simulate --write"


def pace_lines(effort_is_full: bool) -> list[str]:
    """Say how fast simulated time goes, on this machine now."""
    effort = FULL if effort_is_full else QUICK
    lines = []
    for line in PAPER_LINES:
        per_s = min(0.9 * line.two_batch_rate_per_s(), 0.4 * line.capacity_per_s(1) + line.two_batch_rate_per_s() * 0.5)
        pace = outcome_at(on_line(line, AIMD), per_s, effort).pace
        lines.append(f"{line.name} at {per_s:,.0f}/s: {pace.ratio:,.0f}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description=__doc__)
    names = [line.name for line in PAPER_LINES]
    parser.add_argument("--quick", action="store_true", help="shorter runs: figures good to a few percent")
    parser.add_argument("--lines", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--write", action="store_true", help="write the tables into docs/batching.md")
    given = parser.parse_args(arguments)
    if given.write and (given.quick or set(given.lines) != set(names)):
        parser.error("--write takes the whole, unabridged run")
    effort = QUICK if given.quick else FULL
    began = time.perf_counter()
    drops = drop_table(5.0 if given.quick else 30.0)
    print(drops, "\n", flush=True)
    results = []
    for line in PAPER_LINES:
        if line.name in given.lines:
            results.append(measure_line(line, effort))
            print(f"{line.name}: done after {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    lines = lines_table(results)
    print(lines, "\n", flush=True)
    forest = next((result for result in results if result.line == FOREST), None)
    disturbed = ""
    if forest is not None:
        disturbed = disturbance_table(FOREST, forest.best, 0.8 * forest.best_per_s, 60.0)
        print(disturbed, "\n", flush=True)
    pace = "Simulated seconds in a second of one processor: " + "; ".join(pace_lines(not given.quick)) + "."
    print(pace)
    if given.write:
        write_into(BATCHING, f"{NAME}: drop policies", drops)
        write_into(BATCHING, f"{NAME}: lines", f"{lines}\n\n{pace}")
        write_into(BATCHING, f"{NAME}: disturbances", disturbed)
    missed = missed_bars(results)
    for line_missed in missed:
        print(line_missed, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
