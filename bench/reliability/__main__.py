"""``python -m bench.reliability``: run rows of the reliability table; see docs/reliability.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.document import write_into
from bench.own_dockerd import DaemonError, own_daemon
from bench.reliability.containers import DOCKER, KINDS, PROCESS
from bench.reliability.context import Bench
from bench.reliability.report import DOCUMENT, RECORDS, WRITTEN_BY, Result, load_record, render, save_record
from bench.reliability.scenario import Row, load_rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows that are asked for; 0 if all of them hold."""
    rows, options = _parse(arguments)
    kind = options.containers
    if options.render:
        _render(rows, kind)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    results = []
    with _started(options) as bench:
        for name in options.rows or rows:
            results.append(run_row(bench, rows[name]))
            if options.record:
                save_record(results, RECORDS[kind])
    if options.record:
        _render(rows, kind)
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1), encoding="utf-8")
    bad = [result.name for result in results if not result.holds and not result.missing]
    print(f"{len(results) - len(bad)} of {len(results)} rows hold" + (f"; not: {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


def _parse(arguments: Sequence[str] | None) -> tuple[dict[str, Row], argparse.Namespace]:
    """Return the rows there are for the kind of containers that is asked for, and the options."""
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument(
        "--containers", choices=KINDS, default=PROCESS, help="what replicas are; docker starts a daemon of its own"
    )
    rows = load_rows(first.parse_known_args(arguments)[0].containers)
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__, parents=[first])
    parser.add_argument("--full", action="store_true", help="the figures of the table, not a few seconds a row")
    parser.add_argument("--rows", nargs="+", choices=list(rows), metavar="ROW", help=f"of: {', '.join(rows)}")
    parser.add_argument("--json", type=Path, metavar="F", help="also write the results here")
    parser.add_argument("--record", action="store_true", help=f"keep the results and render {DOCUMENT.name}")
    parser.add_argument("--render", action="store_true", help=f"run nothing: only render {DOCUMENT.name}")
    return rows, parser.parse_args(arguments)


@contextlib.contextmanager
def _started(options: argparse.Namespace) -> Iterator[Bench]:
    """Give the rows what they run in, a daemon too if they need one."""
    with contextlib.ExitStack() as held:
        try:
            daemon = held.enter_context(own_daemon()) if options.containers == DOCKER else None
        except DaemonError as error:
            sys.exit(f"no row can be run in Docker: {error}")
        bench = Bench(options.full, tell=lambda line: print(line, flush=True), daemon=daemon)
        held.callback(bench.close)
        yield bench


def run_row(bench: Bench, row: Row) -> Result:
    """Run one row; what it raises is its result as well."""
    bench.tell(f"{row.name}: {row.scenario_in(DOCKER if bench.daemon else PROCESS)}")
    bench.checks.clear()
    started_s, missing, error = time.monotonic(), row.missing, ""
    try:
        if not missing:
            row.run(bench)
    except Exception as broken:  # noqa: BLE001 - whatever it is, the other rows are run, and the table says so
        error = f"{type(broken).__name__}: {broken}".splitlines()[0]
        bench.close()  # it may be in any state
    duration_s = time.monotonic() - started_s
    if missing or error:
        bench.tell(f"  {'left out: ' + missing if missing else 'broke off: ' + error}")
    form = "full" if bench.is_full else "short"
    return Result(row.name, form, tuple(bench.checks), round(duration_s, 1), _when(), missing, error)


def _render(rows: dict[str, Row], kind: str) -> None:
    write_into(DOCUMENT, WRITTEN_BY[kind], render(rows, load_record(RECORDS[kind]), kind))


def _when() -> str:
    command = ["git", "rev-parse", "--short=8", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + (f" {done.stdout.strip()}" if done.returncode == 0 else "")


if __name__ == "__main__":
    sys.exit(main())
