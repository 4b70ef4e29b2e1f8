"""What a scrape costs the queries beside it: `python -m bench.scrape_cost`.

An open loop asks a simulated model of 2 ms, with Poisson arrivals and no cache, while ``/metrics`` is scraped ever so
often, or not at all: the stretches take turns, and medians over the rounds are printed. A stretch in which the client
was late, or saturated, is void: it is told, and left out. The page grows with the number of applications, of which all
but one are idle. Ends with 1 if an interval has nothing but void stretches.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.document import table
from bench.lines import Line
from bench.loadgen.open_loop import Arrivals, OpenLoopRun, run_open_loop
from bench.loadgen.request import FIRST_COUNTER
from bench.paper.probes import echo_target
from bench.paper.stage import START_LIMIT_US, Stage
from clipper import Clipper
from clipper.bench.load_run import MAX_LAG_P99_US

MODEL: Final = Line("steady", base_us=2_000.0, per_item_us=1.0)
SLO_US: Final = 50_000
LENGTH: Final = 4
RATE_PER_S: Final = 500.0
CONNECTIONS: Final = 64
PERCENTS: Final = (50.0, 99.0, 99.9, 100.0)
INTERVALS_S: Final = (0.0, 1.0, 0.1)  # 0: none


@contextmanager
def scraping(clipper: Clipper, interval_s: float) -> Iterator[list[float]]:
    """Scrape at an interval, never at 0; gives the seconds that each took, and raises what a scrape raised."""
    seconds: list[float] = []
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(interval_s):
            begun_s = time.perf_counter()
            clipper.metrics()
            seconds.append(time.perf_counter() - begun_s)

    with ThreadPoolExecutor(1) as pool:
        scrapes = pool.submit(run) if interval_s else None
        try:
            yield seconds
        finally:
            ended.set()
        if scrapes is not None:
            scrapes.result()


@dataclass(frozen=True)
class Stretch:
    """One stretch of load; times in us."""

    interval_s: float
    latencies_us: tuple[float, ...]  # at `PERCENTS`
    scrape_us: float  # median; 0 without a scrape


def measure(stage: Stage, applications: int, rounds: int, duration_s: float, max_lag_us: float) -> list[Stretch]:
    """Measure every interval in turn, each second round backwards; what is void is left out."""
    stage.deploy_line("asked", MODEL)
    stage.register("asked", ["asked"], {"name": "static"}, SLO_US, LENGTH, cache=False)
    for number in range(applications - 1):
        stage.register(f"idle-{number}", [], {"name": "static"}, SLO_US, LENGTH)
    stage.clipper.metrics()  # the first one imports what renders it
    target, counter, found = echo_target("asked", SLO_US), FIRST_COUNTER, []
    with tempfile.TemporaryDirectory(prefix="clipper-scrape-") as name:
        file = Path(name) / "requests"
        target.template.write(file, stage.port)
        for turn in range(rounds):
            for interval_s in INTERVALS_S[:: -1 if turn % 2 else 1]:
                arrivals = Arrivals(RATE_PER_S, duration_s, 1.0, CONNECTIONS, turn + 1, counter)
                with scraping(stage.clipper, interval_s) as seconds:
                    run = run_open_loop(stage.port, file, arrivals, target.expectation, max_lag_us)
                counter = run.next_counter
                if run.void_reason is None:
                    found.append(_stretch(interval_s, run, seconds))
                else:
                    stage.tell(f"scrapes every {interval_s:g} s, round {turn + 1}: void, {run.void_reason}")
    return found


def _stretch(interval_s: float, run: OpenLoopRun, seconds: Sequence[float]) -> Stretch:
    scrape_us = statistics.median(seconds) * 1e6 if seconds else 0.0
    return Stretch(interval_s, tuple(run.latency_us(percent) for percent in PERCENTS), scrape_us)


def render(stretches: Sequence[Stretch]) -> str:
    """Return a table of medians, a row for each interval."""
    rows = []
    for interval_s in INTERVALS_S:
        name = f"every {interval_s:g} s" if interval_s else "none"
        of = [stretch for stretch in stretches if stretch.interval_s == interval_s]
        if not of:
            rows.append([name, *["void"] * (len(PERCENTS) + 1)])
            continue
        columns = zip(*(stretch.latencies_us for stretch in of), strict=True)
        latencies = [f"{statistics.median(column) / 1e3:.2f}" for column in columns]
        scrape_ms = statistics.median(stretch.scrape_us for stretch in of) / 1e3
        rows.append([name, *latencies, f"{scrape_ms:.1f}" if scrape_ms else "-"])
    return table(["scrapes", "p50 ms", "p99 ms", "p99.9 ms", "longest ms", "scrape ms"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.scrape_cost", description=__doc__)
    parser.add_argument("--applications", type=int, default=100, help="of which one is asked (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="%(default)s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a stretch (%(default)s)")
    parser.add_argument(
        "--max-lag-ms",
        type=float,
        default=MAX_LAG_P99_US / 1e3,
        help="a client later than this, p99, is void (%(default)g)",
    )
    options = parser.parse_args(arguments)
    with Clipper.start(query_port=0, management_port=0, start_limit_us=START_LIMIT_US) as clipper:
        stage = Stage(clipper, is_full=True, tell=print)
        found = measure(stage, options.applications, options.rounds, options.seconds, options.max_lag_ms * 1e3)
        size_kb = len(clipper.metrics()) / 1e3
    print(f"{options.applications} applications, a page of {size_kb:.0f} kB; {RATE_PER_S:g} queries/s of {MODEL} each")
    print(render(found))
    return 0 if {stretch.interval_s for stretch in found} == set(INTERVALS_S) else 1


if __name__ == "__main__":
    sys.exit(main())
