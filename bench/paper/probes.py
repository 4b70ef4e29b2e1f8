"""Open-loop runs against one application of a running Clipper, with what the server says of itself beside them.

A run says nothing, and says so, when the client was late, when other processes took the processors, or when the model's
containers stood still while queries came: that is what nobody looked at in the runs behind two of the paper's headline
figures.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self, TypeVar

from bench.goodput.deployment import Batches
from bench.loadgen.histogram import quantile_of_cumulative
from bench.loadgen.open_loop import Arrivals, Expectation, OpenLoopRun, run_open_loop
from bench.loadgen.request import FIRST_COUNTER, LAST_COUNTER, Body, CounterForm, RequestTemplate
from bench.paper.stage import Stage
from bench.procfs import processes_of
from bench.prometheus import Samples, growth, parse_metrics
from bench.simulate.search import IN_TIME_RATIO
from clipper import ClipperError
from clipper.bench.rate_search import RateSearch, Verdict
from clipper.bench.usage import Snapshot, usage_between

CONNECTIONS: Final = 1024
IN_FLIGHT_RATIO: Final = 1.3  # connections for each query that may be in flight: a query must not wait for one
LAG_RATIO: Final = 0.1  # of the objective: a client later than that measures itself
VOID_TRIES: Final = 3
MAX_OTHER_CORES: Final = 0.25
WATCH_INTERVAL_S: Final = 1.0
ECHO: Final = Expectation(echoes_counter=True, accept=('"default":false',))
ANSWERED: Final = Expectation(accept=('"default":false',))
JSON: Final = (("Content-Type", "application/json"),)
OCTETS: Final = (("Content-Type", "application/octet-stream"),)


@dataclass(frozen=True)
class Probe:
    """One run. Rates are per second, times in us; what got no good answer is missing from the means and percentiles.

    Parameters
    ----------
    answered_per_s : float
        Good answers, late ones included: the paper's throughput.
    in_time_ratio : float
        Share of the *offered* queries with a good answer within the objective, counted from the scheduled arrival.
    answered_p99_us : float
        Of the good answers alone; `p99_us` counts what was not answered as infinitely late.
    batch_us, batch_p99_us : float
        Batches as the frontend saw them: sent to answered; the percentile is that of the container's part.
    server_us : float
        CPU time of all processes of the Clipper for each good answer.
    hit_ratio : float
        Of the cache lookups of the model.
    void_reason : str or None
        Why the run shows nothing.
    """

    offered_per_s: float
    scheduled: int
    answered_per_s: float
    in_time_ratio: float
    mean_us: float
    p50_us: float
    p99_us: float
    answered_p99_us: float
    batches_per_s: float
    batch_size: float
    batch_us: float
    batch_p99_us: float
    server_us: float
    hit_ratio: float
    void_reason: str | None

    @property
    def goodput_per_s(self) -> float:
        """Good answers within the objective."""
        return self.offered_per_s * self.in_time_ratio


@dataclass(frozen=True)
class Target:
    """An application that is asked, and the model behind it whose batches are looked at."""

    application: str
    model: str
    slo_us: int
    template: RequestTemplate
    expectation: Expectation = ECHO


def echo_target(application: str, slo_us: int, model: str = "") -> Target:
    """Return the target of a container that answers its first element: four doubles as JSON."""
    body = Body(b'{"input":[', b".5,2.5,3.5,4.5]}")
    template = RequestTemplate(f"/{application}/predict", JSON, (body,), CounterForm.DIGITS)
    return Target(application, model or application, slo_us, template)


class ProgressWatch:
    """Looks once a second whether a model's containers still answer batches; use it in a ``with``."""

    def __init__(self, read: Callable[[], float], interval_s: float = WATCH_INTERVAL_S) -> None:
        self.stood_still = False
        self._read, self._interval_s = read, interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        last: float | None = None
        while not self._ended.wait(self._interval_s):
            try:
                now = self._read()
            except ClipperError:  # the frontend is too busy to tell: no reason to call a container's run void
                continue
            self.stood_still |= last is not None and now <= last
            last = now


class Prober:
    """Runs the open-loop client against a stage; use it in a ``with``."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._stack = ExitStack()
        self._counter = FIRST_COUNTER
        self._roots = list(processes_of(Path(stage.clipper.status()["run_dir"])))

    def __enter__(self) -> Self:
        self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="clipper-paper-")))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def probe(self, target: Target, rate_per_s: float, duration_s: float, seed: int = 1) -> Probe:
        """Send Poisson arrivals; a tenth of the time before, half a second at least, is warm-up.

        A run with fewer than a batch a second on average is not watched for progress.
        """
        warmup_s = max(0.5, duration_s / 10) if self.stage.is_full else 0.2
        first = self._take_counters(round(rate_per_s * (duration_s + warmup_s) * 1.2) + 1_000)
        file = self._directory / f"{target.application}.requests"
        target.template.write(file, self.stage.port)
        connections = max(CONNECTIONS, round(IN_FLIGHT_RATIO * rate_per_s * target.slo_us / 1e6))
        arrivals = Arrivals(rate_per_s, duration_s, warmup_s, connections, seed, first)
        before = self._samples()
        usage_before = Snapshot.take(self._roots)
        with ProgressWatch(lambda: self._answered_batches(target.model)) as watch:
            run = run_open_loop(self.stage.port, file, arrivals, target.expectation, LAG_RATIO * target.slo_us)
        usage = usage_between(usage_before, Snapshot.take(self._roots), run.cpu_us)
        grown = growth(before, self._samples())
        void = run.void_reason if run.void_reason != "the client was saturated" else None  # on time nevertheless
        if watch.stood_still and _hit_ratio(grown, target.model) < 1:
            void = f"a container of {target.model} stood still"
        elif usage.other_cores > MAX_OTHER_CORES:
            void = void or f"other processes used {usage.other_cores:.1f} cores"
        return _seen(run, target, grown, usage.server_cpu_us, duration_s + warmup_s, duration_s, void)

    def probe_until_valid(self, target: Target, rate_per_s: float, duration_s: float) -> Probe:
        """Do it again while the run is void, up to `VOID_TRIES` times; return the last."""
        for seed in range(1, VOID_TRIES + 1):
            seen = self.probe(target, rate_per_s, duration_s, seed)
            if seen.void_reason is None:
                break
        return seen

    def _take_counters(self, count: int) -> int:
        if self._counter + count > LAST_COUNTER:
            self._counter = FIRST_COUNTER
        first, self._counter = self._counter, self._counter + count
        return first

    def _samples(self) -> Samples:
        return parse_metrics(self.stage.clipper.metrics())

    def _answered_batches(self, model: str) -> float:
        return _value(self._samples(), "stage_seconds_count", model, stage="compute")


def _seen(
    run: OpenLoopRun, target: Target, grown: Samples, cpu_us: float, whole_s: float, duration_s: float, void: str | None
) -> Probe:
    batches = batches_of(grown, target.model)
    good = run.latency.total
    return Probe(
        offered_per_s=run.scheduled / duration_s,
        scheduled=run.scheduled,
        answered_per_s=good / duration_s,
        in_time_ratio=run.latency.count_up_to(target.slo_us * 1_000) / run.scheduled if run.scheduled else 0.0,
        mean_us=run.latency.mean / 1e3,
        p50_us=run.latency_us(50),
        p99_us=run.latency_us(99),
        answered_p99_us=run.latency.percentile(99) / 1e3,
        batches_per_s=batches.count / whole_s,
        batch_size=batches.mean_size if batches.count else 0.0,
        batch_us=batches.mean_us if batches.count else 0.0,
        batch_p99_us=quantile_of_cumulative(_buckets(grown, target.model, "compute"), 0.99) * 1e6,
        server_us=cpu_us / max(1.0, good * whole_s / duration_s),
        hit_ratio=_hit_ratio(grown, target.model),
        void_reason=void,
    )


def batches_of(grown: Samples, model: str) -> Batches:
    """Return how many batches a model has answered between two scrapes, their items, and how long they took."""
    seconds = sum(_value(grown, "stage_seconds_sum", model, stage=stage) for stage in ("rpc", "compute"))
    answered = _value(grown, "stage_seconds_count", model, stage="compute")
    sent = _value(grown, "model_batch_size_count", model)
    # Sent and answered differ by what was in flight at the two scrapes.
    items = _value(grown, "model_batch_size_sum", model) / sent * answered if sent else 0.0
    return Batches(answered, items, seconds * 1e6)


def _value(samples: Samples, metric: str, model: str, **more: str) -> float:
    labels = tuple(sorted({"model": model, "version": "1", **more}.items()))
    return samples.get((f"clipper_{metric}", labels), 0.0)


def _buckets(grown: Samples, model: str, stage: str) -> Mapping[float, float]:
    wanted = {"model": model, "version": "1", "stage": stage}
    found = {}
    for (name, labels), value in grown.items():
        known = dict(labels)
        if name == "clipper_stage_seconds_bucket" and wanted.items() <= known.items():
            found[float(known["le"].replace("+Inf", "inf"))] = value
    return found


def _hit_ratio(grown: Samples, model: str) -> float:
    hits = _value(grown, "model_cache_hits_total", model)
    lookups = hits + sum(_value(grown, f"model_cache_{kind}_total", model) for kind in ("joins", "misses"))
    return hits / lookups if lookups else 0.0


@dataclass(frozen=True)
class Sustained:
    """The highest rate that a search has seen to hold, and the run that showed it; 0 and None if there was none."""

    rate_per_s: float
    shown_by: Probe | None
    runs: int
    void_runs: int


class Judged(Protocol):
    """What a search looks at in a run."""

    @property
    def in_time_ratio(self) -> float: ...
    @property
    def void_reason(self) -> str | None: ...


RunT = TypeVar("RunT", bound=Judged)


def search_rate(
    run: Callable[[float, int], RunT], guess_per_s: float, max_runs: int, tries: int = 1
) -> tuple[float, RunT | None]:
    """Find the highest rate at which 99% of what is offered is answered in time; 0 and None if none was seen to hold.

    Parameters
    ----------
    run : callable (rate_per_s, seed) -> run
    tries : int
        So often must a rate fail before it counts as too high.
    """
    rates = RateSearch(guess_per_s, resolution_ratio=1.04, max_runs=max_runs, tries_per_rate=tries, step_ratio=1.15)
    shown: dict[float, RunT] = {}
    while (rate := rates.next_rate()) is not None:
        seen = run(rate, 1 + rates.runs)
        if seen.in_time_ratio >= IN_TIME_RATIO:  # although it was disturbed: all the more
            shown[rate] = seen
            rates.observe(Verdict.HOLDS)
        else:
            rates.observe(Verdict.VOID if seen.void_reason else Verdict.FAILS)
    best = rates.best or 0.0
    return best, shown.get(best)


def search(run: Callable[[float, int], Probe], guess_per_s: float, max_runs: int, tries: int = 1) -> Sustained:
    """Do the same with probes, and keep how many were void."""
    seen: list[Probe] = []

    def kept(rate: float, seed: int) -> Probe:
        seen.append(run(rate, seed))
        return seen[-1]

    best, shown = search_rate(kept, guess_per_s, max_runs, tries)
    return Sustained(best, shown, len(seen), sum(probe.void_reason is not None for probe in seen))
