"""What selection costs: `python -m bench.selection_cost`, with --record into docs/paper.md.

A bandit over four no-op models against one no-op model alone, at 128 connections, in one run: the cells take turns,
each second round backwards, and medians are compared. Then the memory that 100,000 contexts take.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.closed_cell import CellFigures, ClosedLoad
from bench.context_memory import ContextMemory, measure_contexts
from bench.document import DOCUMENTS, table, write_into
from bench.loadgen.request import FIRST_COUNTER
from bench.machine import describe_machine
from bench.paper import records
from bench.paper.stage import Stage
from bench.query_client import QueryConnection, predict, request
from bench.reliability.instance import FRONTEND, MANAGEMENT, Instance
from clipper.bench.progress import Progress

NAME: Final = "selection-cost"
DOCUMENT: Final = DOCUMENTS / "paper.md"
WRITTEN_BY: Final = "python -m bench.selection_cost --record"

MODELS: Final = tuple(f"noop-{number}" for number in range(1, 5))
SLO_US: Final = 20_000
LENGTH: Final = 4
LEAST_RATIO: Final = 0.60  # of the single-model path
MAX_FAILED_RATIO: Final = 0.001
FEEDBACK_RATIO: Final = 0.01
LESSONS: Final = 3_000  # rewards that the bandit is taught before its plan counts as learnt
BANDIT: Final = {"name": "thompson"}


@dataclass(frozen=True)
class Way:
    """One kind of cell: an application, and the share of its queries that get feedback meanwhile."""

    name: str
    title: str
    application: str
    feedback_ratio: float = 0.0
    is_judged: bool = False


WAYS: Final = (
    Way("single", "one model, no learning", "single"),
    Way("even", "bandit over four models, even plan", "even", is_judged=True),
    Way("learnt", "bandit over four models, plan learnt", "learnt", is_judged=True),
    Way("told", "the same, feedback for 1% of the queries", "learnt", FEEDBACK_RATIO),
)


@dataclass(frozen=True, kw_only=True)
class Cell(CellFigures):
    """One stretch of load on one application."""

    way: str
    round: int
    told: int  # feedbacks that were joined beside the load


@dataclass(frozen=True)
class SelectionCost:
    """The whole measurement."""

    connections: int
    duration_s: int
    cells: list[Cell]
    contexts: ContextMemory | None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SelectionCost:
        """Read what `dataclasses.asdict` wrote."""
        contexts = content["contexts"]
        return cls(
            content["connections"],
            content["duration_s"],
            [Cell(**cell) for cell in content["cells"]],
            ContextMemory(**contexts) if contexts else None,
        )

    def of(self, way: Way) -> list[Cell]:
        """Return the cells of a way, in the order of the rounds."""
        return [cell for cell in self.cells if cell.way == way.name]

    def median_per_s(self, way: Way) -> float:
        """Return the median throughput."""
        return statistics.median(cell.requests_per_s for cell in self.of(way))

    def ratio(self, way: Way) -> float:
        """Return the median throughput over that of the single-model path."""
        return self.median_per_s(way) / self.median_per_s(WAYS[0])

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        found = [
            f"{way.title}: {self.ratio(way):.0%} of the single-model path, the bar is {LEAST_RATIO:.0%}"
            for way in WAYS
            if way.is_judged and self.ratio(way) < LEAST_RATIO
        ]
        for way in WAYS:
            failed = statistics.median(cell.failed_ratio for cell in self.of(way))
            if failed > MAX_FAILED_RATIO:
                found.append(f"{way.title}: {failed:.2%} of the queries got no answer of a model")
            if way.feedback_ratio and not all(cell.told for cell in self.of(way)):
                found.append(f"{way.title}: no feedback was joined")
        return found + (self.contexts.faults if self.contexts else [])


class Teacher:
    """Asks beside the load and rewards the answers, at a rate, in a thread of its own."""

    def __init__(self, port: int, application: str, rate_per_s: float) -> None:
        self.told = 0
        self.broken = ""
        self._port, self._application, self._interval_s = port, application, 1 / rate_per_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Teacher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    async def _run(self) -> None:
        async with QueryConnection(self._port) as connection:
            due_s = time.monotonic()
            while not self._ended.is_set():
                self.told += await teach(connection, self._application, FIRST_COUNTER + self.told)
                due_s += self._interval_s
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))


async def teach(connection: QueryConnection, application: str, number: int) -> bool:
    """Ask one query and reward its answer: the first model is always right, the others half of the time."""
    (answer,) = await connection.exchange(predict(application, [number + 0.25] * LENGTH))
    seen = answer.or_raise()
    if seen["default"]:
        return False
    reward = 1.0 if seen["model"].startswith(MODELS[0]) else 0.5
    told = request(f"/{application}/update", {"query_id": seen["query_id"], "reward": reward})
    (taken,) = await connection.exchange(told)
    return taken.or_raise().get("feedback") == "joined"


def register(stage: Stage) -> None:
    """Deploy the models, register the applications, teach one of the bandits."""
    for name in MODELS:
        stage.clipper.deploy_model(name, 1, container="noop")
    stage.register("single", MODELS[:1], {"name": "static"}, SLO_US, LENGTH)
    for name in ("even", "learnt"):
        stage.register(name, MODELS, BANDIT, SLO_US, LENGTH)

    async def lessons() -> None:
        async with QueryConnection(stage.port) as connection:
            for number in range(LESSONS):
                await teach(connection, "learnt", number)

    asyncio.run(lessons())


def measure_cells(instance: Instance, options: argparse.Namespace) -> list[Cell]:
    """Measure every way in turn, each second round backwards."""
    cells: list[Cell] = []
    load, rate_per_s = ClosedLoad(options.warmup_s, options.duration_s), 10_000.0
    progress = Progress(options.rounds * len(WAYS) * (options.duration_s + options.warmup_s))
    for number in range(1, options.rounds + 1):
        for way in WAYS if number % 2 else WAYS[::-1]:
            progress.show(f"{way.name}, round {number}")
            teacher = Teacher(instance.port, way.application, max(1.0, way.feedback_ratio * rate_per_s))
            beside = teacher if way.feedback_ratio else None
            found = load.measure(instance, way.application, LENGTH, options.connections, beside=beside)
            if way.name == "learnt":
                rate_per_s = found.requests_per_s
            cells.append(Cell(way=way.name, round=number, told=teacher.told, **vars(found)))
            progress.advance(options.duration_s + options.warmup_s)
    progress.end()
    return cells


def render(found: SelectionCost) -> str:
    """Write the tables."""
    heads = [
        "",
        "queries/s, median",
        "of rounds",
        "of the single-model path",
        "p50 ms",
        "p99 ms",
        "server CPU us/query",
    ]
    rows = []
    for way in WAYS:
        cells = found.of(way)
        rates = [cell.requests_per_s for cell in cells]
        times = [
            f"{statistics.median(getattr(cell, name) for cell in cells) / 1e3:.1f}" for name in ("p50_us", "p99_us")
        ]
        cpu = statistics.median(cell.server_us_per_query for cell in cells)
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        bar = f"{found.ratio(way):.0%}" + (f" (bar {LEAST_RATIO:.0%})" if way.is_judged else "")
        rows.append([way.title, f"{found.median_per_s(way):,.0f}", spread, bar, *times, f"{cpu:.0f}"])
    parts = [table(heads, rows)]
    if found.contexts:
        parts.append(found.contexts.sentence)
    if found.faults:
        parts.append("What does not hold:\n\n" + "\n".join(f"* {fault}" for fault in found.faults))
    return "\n\n".join(parts)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.selection_cost", description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=128, help="of the closed loop (default: %(default)s)")
    parser.add_argument("--duration-s", type=int, default=8, help="of each cell (default: %(default)s)")
    parser.add_argument("--warmup-s", type=int, default=2, help="before it (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument(
        "--contexts", type=int, default=100_000, help="0: leave their memory out (default: %(default)s)"
    )
    parser.add_argument("--record", action="store_true", help=f"keep the results and write them into {DOCUMENT.name}")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge; returns the exit code."""
    options = parse_options(arguments)
    contexts, machine = None, describe_machine()
    instance = Instance.start()
    try:
        stage = Stage(instance.clipper, is_full=True, tell=lambda line: print(f"  {line}", flush=True))
        register(stage)
        cells = measure_cells(instance, options)
        if options.contexts:
            pids = {"frontend": instance.pid_of(FRONTEND), "management": instance.pid_of(MANAGEMENT)}
            contexts = measure_contexts(stage, pids, MODELS, options.contexts)
    finally:
        instance.close()
    found = SelectionCost(options.connections, options.duration_s, cells, contexts)
    print(render(found))
    if options.record:
        record = records.keep(NAME, found, machine, is_full=True)
        write_into(DOCUMENT, WRITTEN_BY, f"{render(found)}\n\n{record.source}")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
