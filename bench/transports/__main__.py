"""What containers' transports cost: `python -m bench.transports`, with --record into docs/docker.md; needs root.

A no-op and a linear model behind a process, behind a container by a mounted socket, and behind one by TCP with CURVE:
three instances of Clipper beside each other, of which one at a time is loaded. Medians of rounds are compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.document import DOCUMENTS, write_into
from bench.loadgen.wrk import LoadError
from bench.machine import describe_machine
from bench.own_dockerd import DaemonError, own_daemon
from bench.paper import records
from bench.transports.measure import Transports, measure
from bench.transports.report import render

NAME: Final = "docker-transports"
RECORDS: Final = Path(__file__).with_name("records")
DOCUMENT: Final = DOCUMENTS / "docker.md"
WRITTEN_BY: Final = "python -m bench.transports --record"
QUICK: Final = (1, 1)  # rounds, seconds a cell
FULL: Final = (5, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.transports", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of short cells: that it runs, half a minute")
    parser.add_argument("--rounds", type=int, help=f"(default: {FULL[0]})")
    parser.add_argument("--duration-s", type=int, help=f"of each cell (default: {FULL[1]})")
    parser.add_argument("--record", action="store_true", help=f"keep the results and write them into {DOCUMENT.name}")
    parser.add_argument("--render", action="store_true", help=f"measure nothing: write {DOCUMENT.name} from the record")
    options = parser.parse_args(arguments)
    if options.render:
        write_document()
        return 0
    rounds, duration_s = QUICK if options.quick else FULL
    machine = describe_machine()
    try:
        with own_daemon() as daemon:
            found = measure(daemon, options.rounds or rounds, options.duration_s or duration_s)
    except (DaemonError, LoadError) as error:
        sys.exit(f"nothing can be measured: {error}")
    print(render(found))
    if options.record:
        records.keep(NAME, found, machine, is_full=not options.quick, directory=RECORDS)
        write_document()
    return 1 if found.faults else 0


def write_document() -> None:
    """Write what the record holds between the marks."""
    record = records.load(NAME, RECORDS)
    if record is None:
        raise SystemExit(f"nothing was measured yet: {WRITTEN_BY}")
    found = Transports.from_json(record.result)
    conditions = f"Medians of {len({cell.round for cell in found.cells})} rounds, {found.duration_s} s a cell."
    write_into(DOCUMENT, WRITTEN_BY, f"{render(found)}\n\n{conditions} {found.daemon}. {record.source}")


if __name__ == "__main__":
    sys.exit(main())
