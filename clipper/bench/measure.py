"""One watched run: load at one rate, what the server took and says of itself, and what speaks against the figures."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from clipper.bench.arrivals import NS_PER_S, Arrivals
from clipper.bench.cost import Cost, CostMeter
from clipper.bench.keys import Keys, Unique
from clipper.bench.load_run import MAX_LAG_P99_US, LoadProgress, LoadRun, run_load
from clipper.bench.objective import Evidence, Objective
from clipper.bench.request_template import COUNTER_COUNT, FIRST_COUNTER
from clipper.bench.schedule import make_schedule
from clipper.bench.stages import StageReport, faults_between, is_clipper, stages_between
from clipper.bench.targets import Target
from clipper.bench.usage import Snapshot, usage_between
from clipper.bench.watch import Watch
from clipper.errors import UnavailableError
from clipper.metrics import names
from clipper.metrics.scrape import Scrape

_METRICS_LIMIT_S: Final = 10.0
_MOST_RUN_S: Final = 60.0
_NOTABLE_HIT_RATIO: Final = 0.01
_NOTABLE_WAITED_RATIO: Final = 0.01


@dataclass(frozen=True)
class Setup:
    """What is measured, and how; the same for all runs of a command.

    Parameters
    ----------
    duration_s, warmup_s : float
        Of a run; what arrives in the warm-up is sent and not counted.
    least_queries : int
        A run lasts longer where its rate is too low for so many, but not beyond ``most_duration_s``.
    roots : tuple of int
        The server's processes on this machine; what descends from them belongs to it. Empty: not known, not watched.
    metrics_url : str or None
        Where the server publishes what it says of itself, if it is a Clipper.
    most_lag_us : float
        A run is void whose generator was later than this (p99).
    most_other_cores : float
        A run beside other processes that use more than this shows nothing if it misses its objective.
    """

    target: Target
    arrivals: Arrivals
    duration_s: float = 5.0
    warmup_s: float = 1.0
    connections: int = 256
    threads: int = 1
    seed: int = 1
    least_queries: int = 500
    most_duration_s: float = _MOST_RUN_S
    roots: tuple[int, ...] = ()
    is_local: bool = False
    metrics_url: str | None = None
    most_lag_us: float = MAX_LAG_P99_US
    most_other_cores: float = 0.2
    keys: Keys = Unique()

    def duration_at(self, rate_per_s: float, factor: float = 1.0) -> float:
        """Return how long a run at a rate lasts, without its warm-up."""
        return max(self.duration_s * factor, min(self.least_queries * factor / rate_per_s, self.most_duration_s))

    def to_json(self) -> dict[str, Any]:
        """Return what a reader wants to know of it."""
        plain = ("duration_s", "warmup_s", "connections", "threads", "seed", "least_queries", "most_lag_us")
        told = {name: getattr(self, name) for name in (*plain, "most_other_cores")}
        watched = {"watched_processes": list(self.roots), "metrics_url": self.metrics_url}
        return {"arrivals": str(self.arrivals), "keys": str(self.keys), **told, **watched}


@dataclass(frozen=True)
class Measurement:
    """What one run showed.

    Parameters
    ----------
    label : str
        What it was made for: "run", "rough", "search 2", "confirm", "50%".
    void_reason : str or None
        Why it says nothing of the server; nothing is concluded from it then.
    is_clients_fault : bool
        Whether the load generator voided it.
    doubts : tuple of str
        What a reader should know, and does not void it.
    other_cores : float or None
        What processes that have no part in it used; None where the server's own cannot be told from them.
    """

    label: str
    seed: int
    run: LoadRun
    void_reason: str | None = None
    is_clients_fault: bool = False
    doubts: tuple[str, ...] = ()
    other_cores: float | None = None
    cost: Cost | None = None
    stages: StageReport | None = None

    def evidence(self, objective: Objective) -> Evidence:
        """Return its counts for an objective."""
        return Evidence(self.run.scheduled, self.run.misses(objective.slo_us), self.run.failed)

    def conclusive_evidence(self, objective: Objective, most_other_cores: float) -> Evidence | None:
        """Return its counts, or None where they show nothing.

        A run that keeps its objective although the machine was busy keeps it all the more.
        """
        if self.void_reason is not None:
            return None
        counts = self.evidence(objective)
        is_disturbed = self.other_cores is not None and self.other_cores > most_other_cores
        return None if is_disturbed and not objective.is_met_by(counts) else counts

    def to_json(self) -> dict[str, Any]:
        """Return it as a record holds it."""
        own = ("label", "seed", "void_reason", "is_clients_fault", "doubts", "other_cores")
        return {
            **{name: getattr(self, name) for name in own},
            "load": self.run.to_json(),
            "cost": None if self.cost is None else self.cost.to_json(),
            "stages": None if self.stages is None else self.stages.to_json(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        known = dict(record)
        load, cost, stages = known.pop("load"), known.pop("cost"), known.pop("stages")
        return cls(
            **{**known, "doubts": tuple(known["doubts"])},
            run=LoadRun.from_json(load),
            cost=None if cost is None else Cost.from_json(cost),
            stages=None if stages is None else StageReport.from_json(stages),
        )


Tick = Callable[[float], None]
"""Called now and then during a run with the part of it that is over, 0 to 1."""


def _any_counter() -> int:
    """Return where to begin, so that no cache knows the inputs from an earlier command."""
    return FIRST_COUNTER + secrets.randbelow(COUNTER_COUNT)


@dataclass
class Bench:
    """Makes runs of one setup.

    Parameters
    ----------
    on_tick : callable, optional
        For a progress bar.
    """

    setup: Setup
    on_tick: Tick | None = None
    _next_counter: int = field(default_factory=_any_counter, init=False)

    def measure(self, rate_per_s: float, label: str, number: int = 0, duration_factor: float = 1.0) -> Measurement:
        """Make one run.

        Parameters
        ----------
        number : int
            Of the run in the command: the arrivals of each are others.

        Raises
        ------
        UnavailableError
            If nothing answers there.
        InvalidArgumentError
            If such a load cannot be made.
        """
        setup = self.setup
        duration_s = setup.duration_at(rate_per_s, duration_factor)
        seed = setup.seed + number
        schedule = make_schedule(setup.arrivals, rate_per_s, duration_s, setup.warmup_s, seed, setup.keys)
        arrivals_s = schedule.offsets_ns.astype(np.float64) / NS_PER_S
        before = self._scrape()
        snapshot = Snapshot.take(setup.roots)
        meter = CostMeter(setup.roots) if setup.roots else None
        with Watch(setup.roots) as watch:
            run = run_load(
                setup.target,
                setup.arrivals,
                rate_per_s=rate_per_s,
                duration_s=duration_s,
                warmup_s=setup.warmup_s,
                connections=setup.connections,
                threads=setup.threads,
                seed=seed,
                keys=setup.keys,
                first_counter=self._next_counter,
                max_lag_p99_us=setup.most_lag_us,
                on_progress=self._on_progress,
            )
        if isinstance(setup.keys, Unique):  # otherwise the same inputs shall come again, in the next run, too
            self._next_counter = run.next_counter
        cost = None if meter is None else meter.cost(len(arrivals_s))
        usage = usage_between(snapshot, Snapshot.take(setup.roots), run.cpu_us)
        after = self._scrape()
        faults = [] if before is None or after is None else faults_between(before, after)
        findings = watch.findings(arrivals_s)
        faults += [finding.text for finding in findings if finding.is_void]
        doubts = [finding.text for finding in findings if not finding.is_void]
        other_cores = usage.other_cores if setup.roots or not setup.is_local else None
        if other_cores is not None and other_cores > setup.most_other_cores:
            doubts.append(f"other processes of this machine used {other_cores:.2f} cores meanwhile")
        waited_ratio = run.waited / max(1, len(arrivals_s))
        if waited_ratio > _NOTABLE_WAITED_RATIO:
            doubts.append(
                f"{waited_ratio:.1%} of the requests found all {setup.connections} connections in use and waited in "
                "the client, which counts as latency: more connections would send them"
            )
        stages = None if before is None or after is None else stages_between(before, after)
        if stages is not None and isinstance(setup.keys, Unique) and (stages.cache_hit_ratio or 0) > _NOTABLE_HIT_RATIO:
            doubts.append(f"the server's prediction cache answered {stages.cache_hit_ratio:.1%} of the queries")
        return Measurement(
            label=label,
            seed=seed,
            run=run,
            void_reason=run.void_reason or ("; ".join(faults) or None),
            is_clients_fault=run.void_reason is not None,
            doubts=tuple(doubts),
            other_cores=other_cores,
            cost=cost,
            stages=stages,
        )

    def _scrape(self) -> Scrape | None:
        return None if self.setup.metrics_url is None else Scrape(fetch_metrics(self.setup.metrics_url))

    def _on_progress(self, seen: LoadProgress) -> None:
        if self.on_tick is not None:
            self.on_tick(min(1.0, seen.elapsed_s / seen.total_s))


def fetch_metrics(url: str, limit_s: float = _METRICS_LIMIT_S) -> str:
    """Return a page of metrics.

    Raises
    ------
    UnavailableError
        If there is none.
    """
    try:
        with urllib.request.urlopen(url, timeout=limit_s) as answer:
            text: str = answer.read().decode("utf-8", "replace")
            return text
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise UnavailableError(
            f"{url} shows no metrics: {error}", hint="name the page with --metrics URL, or leave it out: --metrics none"
        ) from error


def metrics_url_of(url: str) -> str | None:
    """Return the page of metrics of the Clipper that answers at a URL; None if what answers there is none."""
    root = "/".join(url.split("/")[:3])
    try:
        return f"{root}/metrics" if is_clipper(fetch_metrics(f"{root}/metrics", limit_s=2.0)) else None
    except UnavailableError:
        return None


def clipper_version(metrics_url: str) -> str:
    """Return what the Clipper with this page of metrics calls itself: "clipper 0.1.0"; empty if it does not say."""
    versions = {labels["version"] for labels in Scrape(fetch_metrics(metrics_url)).label_sets(names.BUILD_INFO)}
    return f"clipper {', '.join(sorted(versions))}" if versions else ""
