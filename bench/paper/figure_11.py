"""Figure 11: beside a server in C++, and beside no server at all.

The paper compares with TensorFlow Serving on GPUs. Here the server in C++ is Triton on the same two cores, and the
model a small network, the same in all; ONNX Runtime and numpy in a loop say what the model alone does on one thread.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.install_peers import is_installed
from bench.loadgen.open_loop import Arrivals, Expectation, run_open_loop
from bench.loadgen.request import FIRST_COUNTER, CounterForm, RequestTemplate
from bench.paper import in_process, small_network
from bench.paper.network_triton import NetworkTriton
from bench.paper.probes import CONNECTIONS, OCTETS, search_rate
from bench.paper.stage import Stage, StageError
from bench.subjects.subject import Site
from bench.workloads import fit_linear_model

SLO_US: Final = 20_000
BATCHES: Final = (1, 16, 64, 512)
OVERLOAD: Final = 0.5  # of what the fastest loop does: a server shares its processors with the client
GUESS: Final = 0.5  # of that: where a search begins at least, whatever is left of a server that is overloaded
LEAST_OF_TRITON: Final = 0.85  # in rate within the objective: the paper's Python containers lost 15 to 18%


@dataclass(frozen=True)
class Loop:
    """A runtime without a server, in batches of one size."""

    runtime: str
    batch: int
    rate_per_s: float
    is_right: bool


@dataclass(frozen=True)
class Run:
    """One open-loop run; rates per second, times of good answers in us."""

    offered_per_s: float
    answered_per_s: float
    in_time_ratio: float
    mean_us: float
    p99_us: float
    void_reason: str | None


@dataclass(frozen=True)
class Server:
    """A server under more load than it can serve, and at the highest rate at which 99% are in time."""

    name: str
    title: str
    overload: Run
    sustained_per_s: float
    sustained: Run | None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Server:
        """Read what `dataclasses.asdict` wrote."""
        runs = {"overload": Run(**content["overload"])}
        shown = Run(**content["sustained"]) if content["sustained"] else None
        return cls(**{**content, **runs, "sustained": shown})


@dataclass(frozen=True)
class Figure11:
    """The whole figure."""

    slo_us: int
    loops: list[Loop]
    servers: list[Server]
    missing: dict[str, str]  # what could not be measured, and what installs it
    is_judged: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figure11:
        """Read what `dataclasses.asdict` wrote."""
        loops = [Loop(**loop) for loop in content["loops"]]
        return cls(**{**content, "loops": loops, "servers": [Server.from_json(one) for one in content["servers"]]})

    def of(self, name: str) -> Server | None:
        """Return a server, None if it was not measured."""
        return next((server for server in self.servers if server.name == name), None)

    def best_loop(self, runtime: str) -> Loop | None:
        """Return the batch size at which a runtime is fastest."""
        loops = [loop for loop in self.loops if loop.runtime == runtime]
        return max(loops, key=lambda loop: loop.rate_per_s, default=None)

    @property
    def of_triton(self) -> float | None:
        """Clipper's rate within the objective over Triton's, both with numpy."""
        ours, theirs = self.of("clipper-numpy"), self.of("triton")
        return ours.sustained_per_s / theirs.sustained_per_s if ours and theirs and theirs.sustained_per_s else None

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        found = [f"{loop.runtime} in batches of {loop.batch} answers wrong" for loop in self.loops if not loop.is_right]
        if self.is_judged:
            found += [f"{name}: {why}" for name, why in self.missing.items()]
            found += [
                f"{one.title}: void, {one.overload.void_reason}" for one in self.servers if one.overload.void_reason
            ]
            if self.of_triton is not None and self.of_triton < LEAST_OF_TRITON:
                found.append(
                    f"{self.of_triton:.0%} of Triton's rate within the objective; the bar is {LEAST_OF_TRITON:.0%}"
                )
        return found


@dataclass(frozen=True)
class Asked:
    """A server that runs, and how it is asked."""

    name: str
    title: str
    port: int
    template: RequestTemplate
    expectation: Expectation
    class_of: Callable[[Any], Any]


def measure(stage: Stage) -> Figure11:
    """Measure the loops, then the servers, the second round of which goes backwards."""
    missing: dict[str, str] = {}
    loops = list(_loops(stage, missing))
    fastest = max((loop.rate_per_s for loop in loops), default=1_000.0)
    with ExitStack() as stack:
        asked = list(_clippers(stage, missing))
        triton = stack.enter_context(_triton(missing))
        if triton is not None:
            asked.append(triton)
        for one in asked:
            check(one)
        servers = [_measure_server(stage, one, fastest) for one in asked]
    return Figure11(SLO_US, loops, servers, missing, is_judged=stage.is_full)


def _loops(stage: Stage, missing: dict[str, str]) -> Iterator[Loop]:
    seconds, batches = (1.5, BATCHES) if stage.is_full else (0.1, BATCHES[1:2])
    for runtime in in_process.RUNTIMES if stage.is_full else ("numpy",):
        if runtime == "onnxruntime" and not _has_onnx():
            missing["ONNX Runtime"] = "not installed: pip install 'clipper[images]' onnx"
            continue
        for batch in batches:
            rate, is_right = in_process.measure_apart(runtime, batch, seconds)
            yield Loop(runtime, batch, rate, is_right)


def _has_onnx() -> bool:
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


def _clippers(stage: Stage, missing: dict[str, str]) -> Iterator[Asked]:
    ways = [("clipper-numpy", "Clipper, numpy in the container", small_network.served_by_numpy)]
    if _has_onnx() and stage.is_full:
        ways.append(("clipper-onnx", "Clipper, ONNX Runtime in the container", small_network.served_by_onnx_runtime))
    for name, title, make in ways:
        stage.clipper.deploy_model(name, 1, model=make(), max_batch_size=small_network.MAX_BATCH)
        stage.register(name, [name], {"name": "static"}, SLO_US, small_network.INPUTS, cache=False)
        bodies = tuple(small_network.octets_around_hole())
        template = RequestTemplate(f"/{name}/predict", OCTETS, bodies, CounterForm.DOUBLE)
        good = Expectation(accept=('"default":false',))
        yield Asked(name, title, stage.port, template, good, lambda answer: answer["output"])


@contextmanager
def _triton(missing: dict[str, str]) -> Iterator[Asked | None]:
    """Start Triton if it is installed; idle it takes nothing from the others."""
    if not is_installed(NetworkTriton.name):
        missing["Triton"] = f"not installed: python -m bench.install_peers {NetworkTriton.name}"
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="clipper-figure-11-") as directory:
        server = NetworkTriton(Site(Path(directory), fit_linear_model()))
        server.start()
        try:
            server.wait_network()
            title = "Triton, numpy in its Python backend"
            # Its answers carry the class as `"data":[7]`: only a model's answer has it.
            good = Expectation(accept=('"data":[',))
            template = server.network_template()
            yield Asked("triton", title, server.port, template, good, lambda answer: answer["outputs"][0]["data"][0])
        finally:
            server.stop()


def check(server: Asked) -> None:
    """Ask every image.

    Raises
    ------
    StageError
        An answer is not the network's own.
    """
    wanted = small_network.predict(small_network.weights(), small_network.images()).tolist()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        for counter in range(FIRST_COUNTER, FIRST_COUNTER + small_network.IMAGES):
            body = server.template.body(counter)
            connection.request("POST", server.template.path, body, dict(server.template.headers))
            response = connection.getresponse()
            text = response.read()
            seen = server.class_of(json.loads(text)) if response.status == 200 else text
            image = counter % small_network.IMAGES
            if seen != wanted[image]:
                raise StageError(f"{server.title} answers {seen!r} to image {image}, the network {wanted[image]}")
    finally:
        connection.close()


def _measure_server(stage: Stage, server: Asked, fastest_per_s: float) -> Server:
    seconds, max_runs = (3.0, 8) if stage.is_full else (0.4, 1)
    counters = iter(range(FIRST_COUNTER, FIRST_COUNTER * 10, 1_000_000))

    def run(rate: float, seed: int, seconds: float = seconds) -> Run:
        with tempfile.TemporaryDirectory(prefix="clipper-figure-11-") as directory:
            file = Path(directory) / "requests"
            server.template.write(file, server.port)
            warmup_s = 0.5 if stage.is_full else 0.2
            arrivals = Arrivals(rate, seconds, warmup_s, CONNECTIONS, seed, next(counters))
            seen = run_open_loop(server.port, file, arrivals, server.expectation)
        in_time = seen.latency.count_up_to(SLO_US * 1_000) / seen.scheduled if seen.scheduled else 0.0
        good = seen.latency.total
        reason = seen.void_reason if seen.void_reason != "the client was saturated" else None
        return Run(
            seen.scheduled / seconds, good / seconds, in_time, seen.latency.mean / 1e3,
            seen.latency.percentile(99) / 1e3, reason,
        )  # fmt: skip

    offered = OVERLOAD * fastest_per_s if stage.is_full else 200.0
    overload = run(offered, 1)
    guess = max(0.8 * overload.answered_per_s, GUESS * offered)
    best, shown = search_rate(run, guess, max_runs)
    stage.tell(f"{server.title}: {overload.answered_per_s:,.0f}/s, {best:,.0f}/s sustained")
    return Server(server.name, server.title, overload, best, shown)
