"""``python -m bench.paper``: measure the paper's figures, keep the results, render docs/paper.md."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.document import DOCUMENTS
from bench.machine import describe_machine
from bench.paper.figures import FIGURES, Figure
from bench.paper.records import Record, keep, load
from bench.paper.render import render_into, render_summary_into
from bench.paper.stage import START_LIMIT_US, Stage
from clipper import Clipper

DOCUMENT = DOCUMENTS / "paper.md"
SELECTION = ("figure-7", "figure-8", "figure-9", "figure-10")
SUMMARIES = {DOCUMENT: tuple(FIGURES), DOCUMENTS / "selection.md": SELECTION}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; 0 if everything that is promised holds."""
    parser = argparse.ArgumentParser(prog="python -m bench.paper", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of: {', '.join(FIGURES)}; by default all")
    parser.add_argument("--quick", action="store_true", help="seconds, not minutes: shows that it runs, judges nothing")
    parser.add_argument("--bars-only", action="store_true", help="leave out of Figure 8 what has no bar")
    parser.add_argument("--seeds", type=int, metavar="N", help="at most so many of Figure 8, which has ten")
    parser.add_argument("--record", action="store_true", help="keep the results, and render docs/paper.md from them")
    parser.add_argument("--render", action="store_true", help="measure nothing: render docs/paper.md from the records")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="also draw the records as SVG (needs matplotlib)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.figures if name not in FIGURES]
    if unknown:
        parser.error(f"there is no {unknown[0]!r}: expected some of {', '.join(FIGURES)}")
    if options.quick and options.record:
        parser.error("the quick form is not recorded: its figures mean nothing")
    figures = [FIGURES[name] for name in options.figures or FIGURES]
    faults: list[str] = []
    if not options.render:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
        for figure in figures:
            faults += measure(figure, options)
    if options.record or options.render:
        render_into(DOCUMENT, _records(figures))
        for document, names in SUMMARIES.items():
            render_summary_into(document, _records(FIGURES[name] for name in names))
    if options.plots:
        from bench.paper.plots import draw_all

        for file in draw_all(_records(figures), options.plots):
            print(f"drawn: {file}")
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


def measure(figure: Figure, options: argparse.Namespace) -> list[str]:
    """Measure one figure on a Clipper of its own, print its tables, and return what does not hold."""
    print(f"{figure.name}: {figure.title}", flush=True)
    machine = describe_machine()  # now, so that the commit is the one that is measured
    with Clipper.start(query_port=0, management_port=0, start_limit_us=START_LIMIT_US) as clipper:
        stage = Stage(clipper, not options.quick, _tell, options.bars_only, options.seeds)
        result = figure.measure(stage)
    print(figure.tables(result), flush=True)
    if options.record:
        keep(figure.name, result, machine, is_full=not options.quick)
    return [f"{figure.name}: {fault}" for fault in result.faults]


def _tell(line: str) -> None:
    print(f"  {line}", flush=True)


def _records(figures: Iterable[Figure]) -> dict[str, Record]:
    records = {figure.name: load(figure.name) for figure in figures}
    return {name: record for name, record in records.items() if record is not None}


if __name__ == "__main__":
    sys.exit(main())
