"""What a straggling member costs an ensemble: `python -m bench.stragglers`, with --record into docs/ensembles.md.

Real containers that sleep: all but one take 2.5 ms a batch, the last one 12 ms on average with an exponential tail.
The same Poisson arrivals, counted from their scheduled times, go to three applications over each ensemble: one that
waits for every member (the paper's blocking baseline, Crankshaw 2017 Fig. 9), a mean with an objective of 20 ms, and a
majority with the same objective.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import urlopen

from bench.document import write_into
from bench.loadgen.open_loop import Arrivals, Expectation, OpenLoopRun, run_open_loop
from bench.loadgen.request import FIRST_COUNTER, Body, CounterForm, RequestTemplate
from bench.prometheus import growth, parse_metrics
from clipper import Clipper
from clipper.bench.progress import Progress

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "ensembles.md"
WRITTEN_BY: Final = "bench/stragglers.py --record"

SLO_US: Final = 20_000
MEAN_LIMIT_US: Final = SLO_US / 2  # of a majority: far below what the straggler takes
BLOCKING_SLO_US: Final = 2_000_000  # longer than any member takes
SIZES: Final = (3, 5, 9)
STEADY_US: Final = {"base_us": 2_000, "noise_us": 500}
STRAGGLER_US: Final = {"base_us": 2_000, "noise_us": 10_000}


@dataclass(frozen=True)
class Way:
    """How an application answers from its members."""

    name: str
    title: str
    policy: dict[str, Any]
    slo_us: int


WAYS: Final = (
    Way("all", "waits for all", {"name": "majority", "answer_when_decided": False}, BLOCKING_SLO_US),
    Way("mean", "`mean`, 20 ms", {"name": "mean"}, SLO_US),
    Way("majority", "`majority`, 20 ms", {"name": "majority"}, SLO_US),
)


@dataclass(frozen=True)
class Result:
    """One run: latencies in us, answers by kind, and the share of the members' outputs that no answer had."""

    members: int
    way: Way
    mean_us: float
    p50_us: float
    p99_us: float
    kinds: dict[str, int]
    missing_ratio: float
    failed: int
    client_lag_us: float  # 99th percentile; it is in the latencies
    void_reason: str | None

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised; the blocking baseline promises nothing."""
        if self.way.slo_us != SLO_US or self.void_reason is not None:
            return []
        found = [f"{self.failed} queries without a prediction"] if self.failed else []
        if self.p99_us - self.client_lag_us > SLO_US:
            found.append(f"p99 is {self.p99_us / 1e3:.1f} ms, the client's {self.client_lag_us / 1e3:.1f} ms included")
        if self.way.name == "majority" and self.mean_us > MEAN_LIMIT_US:
            found.append(f"the mean is {self.mean_us / 1e3:.1f} ms: it pays for the tail")
        return found


def register(clipper: Clipper, sizes: Sequence[int] = SIZES) -> None:
    """Deploy the members and link the ensembles; the straggler is linked last."""
    for number in range(max(sizes) - 1):
        deploy(clipper, f"steady-{number}", STEADY_US)
    deploy(clipper, "straggler", STRAGGLER_US)
    for size in sizes:
        for way in WAYS:
            name = f"{way.name}-{size}"
            clipper.register_application(name, "doubles", -1, way.slo_us, shape=1, policy=way.policy, cache=False)
            for number in range(size - 1):
                clipper.link_model_to_app(name, f"steady-{number}")
            clipper.link_model_to_app(name, "straggler")


def deploy(clipper: Clipper, name: str, durations: dict[str, int]) -> None:
    environment = {f"CLIPPER_SIMULATED_{key.upper()}": str(value) for key, value in durations.items()}
    environment["CLIPPER_SIMULATED_SEED"] = str(len(name))
    # A fixed size: what the controllers make of a straggler is not the question here.
    clipper.deploy_model(name, 1, container="simulated", environment=environment, batch_size=64)


def measure(clipper: Clipper, options: argparse.Namespace, sizes: Sequence[int] = SIZES) -> Iterator[Result]:
    """Run every way over every ensemble."""
    port = urlsplit(clipper.query_url).port or 0
    progress = Progress(len(sizes) * len(WAYS) * (options.duration_s + options.warmup_s))
    counter = FIRST_COUNTER
    for size in sizes:
        for way in WAYS:
            progress.show(f"{way.name} of {size}")
            before = parse_metrics(read_metrics(clipper))
            run = run_once(port, f"{way.name}-{size}", options, counter)
            grown = growth(before, parse_metrics(read_metrics(clipper)))
            counter = run.next_counter
            progress.advance(options.duration_s + options.warmup_s)
            yield summarise(size, way, run, grown)
    progress.end()


def read_metrics(clipper: Clipper) -> str:
    with urlopen(f"{clipper.query_url}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def run_once(port: int, application: str, options: argparse.Namespace, counter: int) -> OpenLoopRun:
    body = Body(b'{"input":[', b".5]}")
    path, headers = f"/{application}/predict", (("Content-Type", "application/json"),)
    template = RequestTemplate(path, headers, (body,), CounterForm.DIGITS)
    arrivals = Arrivals(options.rate_per_s, options.duration_s, options.warmup_s, 64, options.seed, counter)
    with tempfile.TemporaryDirectory(prefix="clipper-stragglers-") as directory:
        file = Path(directory) / "requests"
        template.write(file, port)
        return run_open_loop(port, file, arrivals, Expectation(accept=('"default":false',)))


def summarise(size: int, way: Way, run: OpenLoopRun, grown: Any) -> Result:
    """Join what the client saw with what the server counted, warm-up included."""
    kinds: dict[str, int] = {}
    missing = 0.0
    for (name, labels), value in grown.items():
        if name == "clipper_predictions_total" and dict(labels)["application"] == f"{way.name}-{size}":
            kinds[dict(labels)["kind"]] = round(value)
        elif name == "clipper_model_missing_total":
            missing += value
    answered = sum(kinds.values())
    return Result(
        members=size,
        way=way,
        mean_us=run.latency.mean / 1e3,
        p50_us=run.latency_us(50),
        p99_us=run.latency_us(99),
        kinds=kinds,
        missing_ratio=missing / (answered * size) if answered else 0.0,
        failed=run.failed,
        client_lag_us=run.lag_p99_us,
        void_reason=run.void_reason,
    )


def render_table(results: Sequence[Result]) -> str:
    """Write the Markdown table."""
    lines = [
        "| members | application | mean | p50 | p99 | complete | decided | partial | outputs missing |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        total = sum(result.kinds.values()) or 1
        times = [f"{value / 1e3:.1f} ms" for value in (result.mean_us, result.p50_us, result.p99_us)]
        kinds = [f"{result.kinds.get(kind, 0) / total:.0%}" for kind in ("complete", "decided", "partial")]
        cells = [str(result.members), result.way.title, *times, *kinds, f"{result.missing_ratio:.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.stragglers", description=__doc__.splitlines()[0])
    parser.add_argument("--rate-per-s", type=float, default=100.0, help="of the queries (default: %(default)s)")
    parser.add_argument("--duration-s", type=float, default=10.0, help="of each run (default: %(default)s)")
    parser.add_argument("--warmup-s", type=float, default=2.0, help="before it (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=9, help="of the arrivals (default: %(default)s)")
    parser.add_argument("--record", action="store_true", help=f"write the table of {DOCUMENT.name} anew")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge; returns the exit code."""
    options = parse_options(arguments)
    with Clipper.start(query_port=0, management_port=0) as clipper:
        register(clipper)
        results = list(measure(clipper, options))
    table = render_table(results)
    print(table)
    faults = [f"{result.way.name} of {result.members}: {fault}" for result in results for fault in result.faults]
    void = [f"{result.way.name} of {result.members}: {result.void_reason}" for result in results if result.void_reason]
    print(*faults, *void, sep="\n", file=sys.stderr)
    if options.record:
        write_into(DOCUMENT, WRITTEN_BY, table)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
