"""The system under test: one Clipper, and for each batching policy a model and an application of its own."""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.lines import SLO_US, Line
from bench.loadgen.open_loop import Arrivals, Expectation, OpenLoopRun, run_open_loop
from bench.loadgen.request import FIRST_COUNTER, LAST_COUNTER, Body, CounterForm, RequestTemplate
from bench.loadgen.wrk import run_wrk
from bench.prometheus import Labels, growth, parse_metrics
from bench.simulate.scenario import Batching
from clipper import Clipper

NOOP = "ceiling"
VERSION = "1"
WARMUP_S = 0.5
CONNECTIONS = 1024  # at most; lines that are measured side by side share what the server allows
_CEILING_CONNECTIONS = 128


@dataclass(frozen=True)
class Batches:
    """Batches of one model, as the front end measured them: sent to answered, hence with RPC and wake-ups."""

    count: float = 0.0
    items: float = 0.0
    duration_us: float = 0.0

    @property
    def mean_size(self) -> float:
        """Items in a batch."""
        return self.items / self.count

    @property
    def mean_us(self) -> float:
        """Duration of a batch."""
        return self.duration_us / self.count


@dataclass(frozen=True)
class Probe:
    """One open-loop run against one application."""

    rate_per_s: float
    offered: int
    in_time: int
    void_reason: str | None
    batches: Batches

    @property
    def in_time_ratio(self) -> float:
        """Share of the offered queries that got the model's answer within the objective, as the client saw it."""
        return self.in_time / self.offered if self.offered else 0.0

    @property
    def goodput_per_s(self) -> float:
        """Answers in time per second of the offered load."""
        return self.in_time_ratio * self.rate_per_s


class Deployment:
    """A started Clipper with simulated (sleeping) containers; use it in a ``with``.

    Parameters
    ----------
    line : Line
        How long the containers take.
    policies : mapping of str to Batching
        By the name of model and application.
    """

    def __init__(self, line: Line, policies: Mapping[str, Batching]) -> None:
        self.line = line
        self.policies = policies
        self._stack = ExitStack()
        self._counter = FIRST_COUNTER

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clipper-goodput-")))
            self._clipper = stack.enter_context(Clipper.start(query_port=0, management_port=0))
            self._port = int(self._clipper.query_url.rpartition(":")[2].rstrip("/"))
            self._deploy(NOOP, Batching(), {}, container="noop")
            environment = {
                "CLIPPER_SIMULATED_BASE_US": str(round(self.line.base_us)),
                "CLIPPER_SIMULATED_PER_ITEM_US": repr(float(self.line.per_item_us)),
            }
            for name, batching in self.policies.items():
                self._deploy(name, batching, environment, container="simulated")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _deploy(self, name: str, batching: Batching, environment: Mapping[str, str], container: str) -> None:
        self._clipper.register_application(
            name, input_type="doubles", default_output=-1, latency_slo_us=SLO_US, shape=4, cache=False
        )
        self._clipper.deploy_model(
            name, VERSION, None, "doubles", container=container, batching=batching.controller,
            batch_size=batching.batch_size or None, environment=environment,
        )  # fmt: skip
        self._clipper.link_model_to_app(name, name)
        template = RequestTemplate(
            f"/{name}/predict",
            (("Content-Type", "application/json"),),
            (Body(b'{"input": [', b".5,2.5,3.5,4.5]}"),),
            CounterForm.DIGITS,
        )
        template.write(self._template(name), self._port)

    def _template(self, name: str) -> Path:
        return self._directory / f"{name}.requests"

    def _take_counters(self, count: int) -> int:
        if self._counter + count > LAST_COUNTER:
            self._counter = FIRST_COUNTER
        first, self._counter = self._counter, self._counter + count
        return first

    def ceiling_per_s(self, duration_s: int) -> float:
        """Highest rate of the front end itself: a model that costs nothing, a closed loop of 128 connections."""
        first = self._take_counters(150_000 * duration_s)
        result = run_wrk(self._port, self._template(NOOP), _CEILING_CONNECTIONS, duration_s, first)
        return result.requests / result.duration_us * 1e6

    def probe(self, name: str, rate_per_s: float, duration_s: float, seed: int) -> Probe:
        """Send Poisson arrivals at a rate; the first half second is not counted."""
        first = self._take_counters(int(rate_per_s * (duration_s + WARMUP_S) * 1.2) + 1_000)
        connections = min(CONNECTIONS, 64 + int(4 * rate_per_s * SLO_US / 1e6))
        arrivals = Arrivals(rate_per_s, duration_s, WARMUP_S, connections, seed, first)
        before = self._metrics()
        run = run_open_loop(self._port, self._template(name), arrivals, Expectation(True, ('"default":false',)))
        after = self._metrics()
        in_time = run.latency.count_up_to(SLO_US * 1000)
        return Probe(rate_per_s, run.scheduled, in_time, _void_reason(run), _batches(growth(before, after), name))

    def _metrics(self) -> Mapping[tuple[str, Labels], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            return parse_metrics(answer.read().decode())


def _void_reason(run: OpenLoopRun) -> str | None:
    # Under overload the client is busy with answers that are no good; it may never sleep, as long as it is on time.
    reason = run.void_reason
    return None if reason == "the client was saturated" else reason


def _batches(grown: Mapping[tuple[str, Labels], float], name: str) -> Batches:
    def value(metric: str, **more: str) -> float:
        labels = {"model": name, "version": VERSION, **more}
        return grown.get((f"clipper_{metric}", tuple(sorted(labels.items()))), 0.0)

    seconds = sum(value("stage_seconds_sum", stage=stage) for stage in ("rpc", "compute"))
    answered = value("stage_seconds_count", stage="compute")
    sent = value("model_batch_size_count")
    # Sent and answered differ by what was in flight at the two scrapes.
    items = value("model_batch_size_sum") / sent * answered if sent else 0.0
    return Batches(answered, items, seconds * 1e6)


def fit_line(name: str, seen: Sequence[Batches]) -> Line:
    """Return the line through the batches of many probes, each as heavy as it has batches.

    Means suffice: the mean duration of batches is the line at their mean size, whatever the sizes were.
    """
    weight = sum(batches.count for batches in seen)
    mean_size = sum(batches.items for batches in seen) / weight
    mean_us = sum(batches.duration_us for batches in seen) / weight
    variance = sum(b.count * (b.mean_size - mean_size) ** 2 for b in seen if b.count)
    covariance = sum(b.count * (b.mean_size - mean_size) * (b.mean_us - mean_us) for b in seen if b.count)
    slope = covariance / variance if variance else 0.0
    return Line(name, mean_us - slope * mean_size, slope)
