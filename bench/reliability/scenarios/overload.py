"""Rows about more load than there is capacity: of the models, and of the frontend itself."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.loadgen.open_loop import Arrivals, Expectation, OpenLoopRun, run_open_loop
from bench.loadgen.request import FIRST_COUNTER, Body, CounterForm, RequestTemplate
from bench.reliability.client import Outcome
from bench.reliability.context import Bench
from bench.reliability.instance import FRONTEND, Instance
from bench.reliability.load import Account, Load, check_answers, now_us
from bench.reliability.scenario import row
from clipper.metrics.names import REASONS

SLO_US = 100_000
BASE_US, PER_ITEM_US = 4_000, 1_000
# The largest batch that takes half the objective, again and again: what no controller can be expected to exceed.
TWO_BATCH_RATE_PER_S = ((SLO_US / 2 - BASE_US) / PER_ITEM_US) / (SLO_US / 2) * 1e6
SUSTAINED_RATIO = 0.99  # of the queries offered, answered in time
RESOLUTION = 0.95  # of one rate to the next that is tried
MEMORY_GROWTH_BYTES = 32 << 20
DEFAULTS = "clipper_default_answers_total"
LEARNING_S = 1.5  # until batch sizes have settled


@row(
    "overload",
    scenario="load 2x and 4x capacity for 20 s, then back",
    claim="goodput at 2x and 4x at least the sustainable rate; admitted queries 99% in time; recovers within 2 s; "
    "memory bounded",
    order=50,
)
def overload(bench: Bench) -> None:
    """The sustainable rate is searched for first: 99% of what is offered answered in time."""
    instance = bench.shared
    with instance.serving(SLO_US, base_us=BASE_US, per_item_us=PER_ITEM_US) as app:
        rate_per_s = _sustainable_rate(bench, instance, app)
        bench.check("sustainable rate", f"{rate_per_s:.0f}/s", rate_per_s > 0, is_timed=True)
        before_bytes = instance.memory_bytes()
        for factor in (2, 4):
            _overloaded(bench, instance, app, rate_per_s, factor)
        with Load(instance, app, 0.8 * rate_per_s) as load:
            time.sleep(2 + bench.pick(1.0, 3.0))
        after = load.account.between(load.started_us + 2_000_000, load.ended_us)
        in_time = after.in_time(SLO_US) / after.requests
        bench.check("in time from 2 s after it on", f"{in_time:.1%}", in_time >= SUSTAINED_RATIO, is_timed=True)
        grown_bytes = instance.memory_bytes() - before_bytes
    bench.check("the frontend grew by", f"{grown_bytes / 1e6:.1f} MB", grown_bytes < MEMORY_GROWTH_BYTES)


def _sustainable_rate(bench: Bench, instance: Instance, app: str) -> float:
    rate_per_s = TWO_BATCH_RATE_PER_S
    while rate_per_s > 0.3 * TWO_BATCH_RATE_PER_S:
        account = _settled(bench, instance, app, rate_per_s, bench.pick(1.5, 6.0))
        if account.in_time(SLO_US) >= SUSTAINED_RATIO * account.requests:
            return rate_per_s
        rate_per_s *= RESOLUTION
    return 0.0


def _settled(bench: Bench, instance: Instance, app: str, rate_per_s: float, duration_s: float) -> Account:
    """Load for a while; return the account of what came once the batch sizes had settled."""
    with Load(instance, app, rate_per_s) as load:
        time.sleep(LEARNING_S + duration_s)
    return load.account.between(load.started_us + int(LEARNING_S * 1e6), load.ended_us)


def _overloaded(bench: Bench, instance: Instance, app: str, rate_per_s: float, factor: int) -> None:
    """Who was refused is counted by the frontend; the others are those that were admitted."""
    with Load(instance, app, factor * rate_per_s) as load:
        time.sleep(LEARNING_S)
        settled_us, refused = now_us(), _refused(instance, app)
        time.sleep(bench.pick(2.0, 20.0))
        ended_us, refused = now_us(), _refused(instance, app) - refused
    check_answers(bench, load.account)
    settled = load.account.between(settled_us, ended_us)
    goodput_per_s = settled.in_time(SLO_US) / ((ended_us - settled_us) / 1e6)
    seen = f"{goodput_per_s:.0f}/s"
    bench.check(f"goodput at {factor}x", seen, goodput_per_s >= RESOLUTION * rate_per_s, is_timed=True)
    in_time = min(1.0, settled.in_time(SLO_US) / max(1.0, settled.requests - refused))
    late = settled.count(Outcome.ANSWERED) - settled.in_time(SLO_US)
    default = max(0.0, settled.count(Outcome.DEFAULT) - refused)
    lag_ms = settled.client_lag_us / 1e3
    seen = f"{in_time:.1%} (default: {default:.0f}, late: {late}; the client was {lag_ms:.1f} ms late)"
    bench.check(f"admitted at {factor}x in time", seen, in_time >= SUSTAINED_RATIO, is_timed=True)


def _refused(instance: Instance, app: str) -> float:
    return instance.metric(DEFAULTS, application=app, reason="refused")


def _default_reasons(instance: Instance, app: str) -> dict[str, int]:
    counts = {reason: instance.metric(DEFAULTS, application=app, reason=reason) for reason in REASONS}
    return {reason: round(count) for reason, count in counts.items() if count}


# -- the frontend itself -------------------------------------------------------------------------------------------

MORE_THAN_IT_CAN_PER_S = 150_000
CONNECTIONS = 1024
HEALTH_LIMIT_S = 2.0
NOT_COLLAPSED_RATIO = 0.7


@row(
    "frontend-overload",
    scenario="the front end itself overloaded (tiny model, generator on the other core)",
    claim="no collapse; memory bounded; health endpoints answer",
    order=60,
    needs=("g++", "apt-get install -y --no-install-recommends g++"),
)
def frontend_overload(bench: Bench) -> None:
    """What it answers a second at twice what it can, beside what it can."""
    instance = bench.shared
    duration_s = bench.pick(2.0, 20.0)
    with instance.serving(5_000_000, container="noop") as app, _on_cores_of_their_own(instance):
        template = instance.run_dir / "overload.requests"
        _template(app).write(template, instance.port)
        capacity = _answered(instance, template, MORE_THAN_IT_CAN_PER_S, 128, duration_s)
        before_bytes = instance.memory_bytes()
        with _health_asked(instance) as health:
            overloaded = _answered(instance, template, 2 * capacity.rate_per_s, CONNECTIONS, duration_s)
        grown_bytes = instance.memory_bytes() - before_bytes
    ratio = overloaded.rate_per_s / max(1.0, capacity.rate_per_s)
    seen = f"{overloaded.rate_per_s:,.0f}/s of {capacity.rate_per_s:,.0f}/s that it can"
    bench.check("answered", seen, ratio >= NOT_COLLAPSED_RATIO, is_timed=True)
    failures = overloaded.run.failures
    wrong = {kind: count for kind, count in failures.items() if kind not in ("unanswered", "default")}
    bench.check("failed, lost or wrong", wrong or 0, not wrong)
    # The objective is five seconds: there are none where the container gets its share of the processors.
    defaults = failures.get("default", 0)
    told = f"{defaults} {_default_reasons(instance, app)}" if defaults else 0
    bench.check("default answers", told, defaults == 0, is_timed=True)
    bench.check("the frontend grew by", f"{grown_bytes / 1e6:.1f} MB", grown_bytes < 2 * MEMORY_GROWTH_BYTES)
    bench.check("/healthz and /readyz", f"{len(health.took_s)} answers, {health.failed} failures", health.failed == 0)
    slowest_ms = max(health.took_s, default=0.0) * 1e3
    bench.check("the slowest took", f"{slowest_ms:.0f} ms", slowest_ms < HEALTH_LIMIT_S * 1e3, is_timed=True)


@dataclass(frozen=True)
class _Answered:
    run: OpenLoopRun
    rate_per_s: float


def _answered(instance: Instance, template: Path, rate_per_s: float, connections: int, duration_s: float) -> _Answered:
    arrivals = Arrivals(rate_per_s, duration_s, 0.0, connections, seed=1, first_counter=FIRST_COUNTER)
    run = run_open_loop(instance.port, template, arrivals, Expectation(echoes_counter=True, tells_defaults=True))
    return _Answered(run, run.completed / (run.elapsed_us / 1e6))


def _template(app: str) -> RequestTemplate:
    headers = (("Content-Type", "application/json"),)
    return RequestTemplate(f"/{app}/predict", headers, (Body(b'{"input":[', b"]}"),), CounterForm.DIGITS)


@contextlib.contextmanager
def _on_cores_of_their_own(instance: Instance) -> Iterator[None]:
    """Keep the frontend on one core and what this process starts on the others, as far as there are several."""
    pid, mine = instance.pid_of(FRONTEND), os.sched_getaffinity(0)
    first, others = min(mine), mine - {min(mine)}
    if others:
        os.sched_setaffinity(pid, {first})
        os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, mine)


class _Health:
    """Asks the health endpoints in turn, ten times a second."""

    def __init__(self, instance: Instance) -> None:
        self.took_s: list[float] = []
        self.failed = 0
        self._url = instance.clipper.query_url
        self._ended = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def end(self) -> None:
        self._ended.set()
        self.thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=10) as client:
            while not self._ended.wait(0.1):
                for path in ("/healthz", "/readyz"):
                    started_s = time.monotonic()
                    try:
                        is_good = client.get(path).status_code == 200
                    except httpx.HTTPError:
                        is_good = False
                    self.took_s.append(time.monotonic() - started_s)
                    self.failed += not is_good


@contextlib.contextmanager
def _health_asked(instance: Instance) -> Iterator[_Health]:
    health = _Health(instance)
    health.thread.start()
    try:
        yield health
    finally:
        health.end()
