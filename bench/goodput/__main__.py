"""Measure sustainable rate and goodput of the real system over HTTP: ``python -m bench.goodput --lines forest``.

Containers are simulated: they sleep for what a line of the paper says. Each line's result goes into a JSON file, beside
those of other lines; --write renders the file into docs/batching.md. A whole machine is needed: a client that was late,
because something else ran, voids its run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.document import BATCHING, write_into
from bench.goodput.measure import Measured, Plan, measure
from bench.goodput.report import figures_table, missed_bars, notes
from bench.lines import PAPER_LINES
from bench.loadgen.open_loop import build_client
from bench.machine import describe_machine

RECORD = Path(__file__).resolve().parents[1] / "results" / "goodput.json"
NAME = "python -m bench.goodput --write"
FULL, SHORT = Plan(seconds=10.0, queries=20_000), Plan(seconds=1.5, queries=800)


def load(file: Path) -> dict[str, Measured]:
    """Read the lines of a record."""
    if not file.exists():
        return {}
    return {name: Measured(**fields) for name, fields in json.loads(file.read_text())["lines"].items()}


def save(file: Path, runs: dict[str, Measured]) -> None:
    """Write the lines with the machine they were measured on."""
    record = {
        "machine": dataclasses.asdict(describe_machine()),
        "lines": {name: dataclasses.asdict(run) for name, run in runs.items()},
    }
    file.write_text(json.dumps(record, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.goodput", description=__doc__)
    names = [line.name for line in PAPER_LINES]
    parser.add_argument("--lines", nargs="*", choices=names, default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument("--full", action="store_true", help="probes of 10 s and 20,000 queries; an hour or more a line")
    parser.add_argument("--add", action="store_true", help="add rounds to what the record holds of the line")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=RECORD, metavar="FILE", help="the record; default: %(default)s")
    parser.add_argument("--write", action="store_true", help="render the record into docs/batching.md")
    given = parser.parse_args(arguments)
    plan = dataclasses.replace(FULL if given.full else SHORT, rounds=given.rounds)
    build_client()
    for line in (line for line in PAPER_LINES if line.name in given.lines):
        known = load(given.json).get(line.name) if given.add else None
        found = measure(line, plan, lambda text: print(text, file=sys.stderr, flush=True), known)
        runs = load(given.json)
        save(given.json, {**runs, line.name: found})
    recorded = load(given.json)
    runs_in_order = [recorded[name] for name in names if name in recorded]
    if not runs_in_order:
        parser.error(f"{given.json} holds nothing yet: name --lines to measure")
    text = f"{figures_table(runs_in_order)}\n\n{notes(runs_in_order)}"
    print(text)
    if given.write:
        write_into(BATCHING, NAME, text)
    missed = missed_bars(runs_in_order)
    for bar in missed:
        print(bar, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
