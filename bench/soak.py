"""Send many queries of unique inputs and watch the frontend's memory: `python -m bench.soak`.

Ten million of them must leave the resident size of every frontend process under 150 MB at all times. Without --port a
Clipper of its own is started; with --port and --frontend-pid a running one is used, which must have an application
`noop` (or `linear`) as in bench/subjects/clipper_server.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.loadgen.request import FIRST_COUNTER, LAST_COUNTER
from bench.loadgen.wrk import LoadError, run_wrk
from bench.prometheus import growth, misses, parse_metrics
from bench.subjects.clipper import Clipper
from bench.subjects.subject import Site, SubjectError
from bench.workloads import Workload, fit_linear_model
from clipper.bench.procfs import peak_rss_bytes, rss_bytes
from clipper.bench.progress import Progress

SLICE_S = 10  # wrk runs by time, so the queries are counted slice by slice
SAMPLE_INTERVAL_S = 1.0
EXPECTED_PER_S = 50_000  # only for the time left, until it has been seen
MAX_FAILED_RATIO = 0.01  # the soak is about memory, but queries must reach the model
MB = 1_000_000


@dataclass
class MemoryTrack:
    """The largest resident size of any watched process, over time."""

    samples: list[int] = field(default_factory=list)  # bytes
    peak_bytes: int = 0  # as the kernel saw it, between the samples too

    def add(self, resident_bytes: int, peak_bytes: int) -> None:
        """Take one sample; 0 means that nothing could be read."""
        if resident_bytes:
            self.samples.append(resident_bytes)
            self.peak_bytes = max(self.peak_bytes, peak_bytes, resident_bytes)

    def growth_bytes(self) -> int:
        """Return by how much the last fifth stands above the second fifth; the first is warm-up."""
        fifth = len(self.samples) // 5
        if fifth == 0:
            return 0
        early, late = self.samples[fifth : 2 * fifth], self.samples[-fifth:]
        return sum(late) // fifth - sum(early) // fifth


class MemoryWatch:
    """Samples the memory of processes in a thread."""

    def __init__(self, pids: Callable[[], Collection[int]]) -> None:
        self.track = MemoryTrack()
        self._pids = pids
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> MemoryTrack:
        self._thread.start()
        return self.track

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            pids = self._pids()
            resident = max((rss_bytes(pid) for pid in pids), default=0)
            self.track.add(resident, max((peak_rss_bytes(pid) for pid in pids), default=0))
            if self._ended.wait(SAMPLE_INTERVAL_S):
                return


@dataclass(frozen=True)
class SoakResult:
    """What came of it."""

    queries: int
    duration_s: float
    errors: int
    misses: int
    first_bytes: int
    peak_bytes: int
    growth_bytes: int
    limit_bytes: int

    @property
    def holds(self) -> bool:
        """Whether memory stayed under the limit, with the queries answered by the model."""
        failed = self.errors + self.misses
        return 0 < self.peak_bytes < self.limit_bytes and failed <= MAX_FAILED_RATIO * self.queries


def soak(subject: Clipper, pids: Callable[[], Collection[int]], options: argparse.Namespace) -> SoakResult:
    """Run the load against a subject that is up."""
    workload = Workload(options.workload)
    template = subject.template(workload)
    if template is None:
        raise SubjectError(f"clipper does not serve {workload}")
    file = subject.site.run_dir / "soak.requests"
    template.write(file, subject.port)
    progress = Progress(options.count / EXPECTED_PER_S)
    counter, queries, errors = FIRST_COUNTER, 0, 0
    scraped = parse_metrics(subject.read_metrics())
    started_s = time.monotonic()
    with MemoryWatch(pids) as track:
        while queries < options.count:
            progress.show(f"{queries:,} queries, {track.peak_bytes / MB:.1f} MB at most")
            load = run_wrk(subject.port, file, options.connections, SLICE_S, counter)
            if load.requests == 0:
                raise LoadError("no query was answered for ten seconds")
            counter += load.requests + options.connections
            if counter + load.requests * 2 > LAST_COUNTER:
                counter = FIRST_COUNTER
            queries += load.requests
            errors += load.errors
            progress.advance(load.requests / EXPECTED_PER_S)
    progress.end()
    grown = growth(scraped, parse_metrics(subject.read_metrics()))
    return SoakResult(
        queries=queries,
        duration_s=time.monotonic() - started_s,
        errors=errors,
        misses=misses(grown),
        first_bytes=track.samples[0] if track.samples else 0,
        peak_bytes=track.peak_bytes,
        growth_bytes=track.growth_bytes(),
        limit_bytes=round(options.limit_mb * MB),
    )


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000, help="queries (default: ten million)")
    parser.add_argument("--connections", type=int, default=128, help="of the closed loop (default: %(default)s)")
    parser.add_argument("--workload", choices=["noop", "linear"], default="noop")
    parser.add_argument("--limit-mb", type=float, default=150.0, help="of a frontend process (default: %(default)s)")
    parser.add_argument("--port", type=int, help="query port of a Clipper that runs already")
    parser.add_argument("--frontend-pid", type=int, nargs="+", help="its frontend processes")
    options = parser.parse_args(arguments)
    if (options.port is None) != (options.frontend_pid is None):
        parser.error("--port and --frontend-pid go together")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_options(arguments)
    with tempfile.TemporaryDirectory(prefix="clipper-soak-") as directory:
        site = Site(Path(directory), fit_linear_model())
        site.save_models()
        subject = Clipper(site)
        if options.port is not None:
            subject.port = options.port
            result = soak(subject, lambda: options.frontend_pid, options)
        else:
            try:
                subject.start((Workload.NOOP, Workload.LINEAR))
                subject.wait_ready()
                pids = subject.frontend_pids()
                result = soak(subject, lambda: pids, options)
            finally:
                subject.stop()
    sys.stdout.write(json.dumps({**asdict(result), "holds": result.holds}, indent=1) + "\n")
    verdict = "holds" if result.holds else "DOES NOT HOLD"
    sys.stdout.write(
        f"{result.queries:,} queries in {result.duration_s:.0f} s: frontend at most {result.peak_bytes / MB:.1f} MB "
        f"(bar {result.limit_bytes / MB:.0f} MB), grew {result.growth_bytes / MB:+.1f} MB, {result.errors} failed, "
        f"{result.misses} default or error answers: {verdict}\n"
    )
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
