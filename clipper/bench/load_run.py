"""Sends load to a target, and says what came of it and whether that may be believed."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipper.bench.arrivals import Arrivals
from clipper.bench.histogram import LogHistogram
from clipper.bench.keys import UNIQUE, Keys
from clipper.bench.load_client import ClientFiles, ClientOptions, run_client
from clipper.bench.request_file import checks_file, requests_file
from clipper.bench.request_template import COUNTER_COUNT, FIRST_COUNTER
from clipper.bench.schedule import make_schedule
from clipper.bench.targets import Target
from clipper.errors import InvalidArgumentError

MAX_LAG_P99_US = 2_000.0
"""A tenth of an SLO of 20 ms: a client later than that measures itself."""

MIN_IDLE_RATIO = 0.01
"""A thread that never sleeps is saturated: what it takes for the server's latency is its own."""

MAX_CONNECTIONS = 65_536
MAX_THREADS = 256

OUTCOMES = ("answered", "default", "rejected", "bad_status", "wrong_answer", "lost", "unanswered")
"""Every arrival ends as one of these: a right answer; a default output; 429 or 503; another status; an answer that is
not the expected one; a connection that broke; no answer by the end of the drain."""


@dataclass(frozen=True)
class LoadProgress:
    """How far a run is; the warm-up is counted in."""

    elapsed_s: float
    total_s: float
    outcomes: dict[str, int]


@dataclass(frozen=True)
class GroupResult:
    """What became of the requests of one group.

    Parameters
    ----------
    outcomes : dict of str to int
        By the names of `OUTCOMES`, all of them.
    latency : LogHistogram
        Of right answers, ns from the scheduled arrival.
    other_latency : LogHistogram
        The same of all other responses: default outputs, refusals, wrong answers.
    """

    outcomes: dict[str, int]
    latency: LogHistogram
    other_latency: LogHistogram

    @property
    def scheduled(self) -> int:
        """Arrivals."""
        return sum(self.outcomes.values())

    @property
    def completed(self) -> int:
        """Right answers."""
        return self.outcomes["answered"]

    @property
    def failures(self) -> dict[str, int]:
        """Everything else, by kind; kinds that did not occur are left out."""
        return {kind: count for kind, count in self.outcomes.items() if kind != "answered" and count}

    @property
    def failed(self) -> int:
        """Arrivals without a right answer; each counts as infinitely late."""
        return self.scheduled - self.completed

    def latency_us(self, percent: float) -> float:
        """Percentile of latency in us; infinite where it falls among the failures, `nan` if nothing was sent."""
        return self.latency.percentile(percent, missing=self.failed) / 1e3

    def misses(self, slo_us: float) -> int:
        """Count the arrivals that had no right answer within `slo_us` of when they were due."""
        return self.scheduled - self.latency.count_up_to(math.floor(slo_us * 1e3))

    def merged(self, other: GroupResult) -> GroupResult:
        """Add up."""
        return GroupResult(
            {kind: self.outcomes[kind] + other.outcomes[kind] for kind in OUTCOMES},
            self.latency.merged(other.latency),
            self.other_latency.merged(other.other_latency),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "outcomes": self.outcomes,
            "latency_ns": self.latency.to_pairs(),
            "other_latency_ns": self.other_latency.to_pairs(),
        }

    @classmethod
    def from_json(cls, seen: Mapping[str, Any]) -> GroupResult:
        """Read what the client prints, or `to_json` wrote."""
        return cls(
            {kind: int(seen["outcomes"].get(kind, 0)) for kind in OUTCOMES},
            LogHistogram.from_pairs(seen["latency_ns"]),
            LogHistogram.from_pairs(seen["other_latency_ns"]),
        )


@dataclass(frozen=True)
class LoadRun(GroupResult):
    """One run: outcomes and latencies of all requests and of each group, and what the client says of itself.

    Parameters
    ----------
    groups : dict of str to GroupResult
        By the names that the target gives them; `""` where it gives none.
    lag : LogHistogram
        ns that a request which had a connection waited for the client.
    idle_ratio : float
        How much of the measurement the busiest thread slept.
    waited : int
        Arrivals that found every connection in use; the wait is part of their latency.
    cpu_us, elapsed_us : int
        Of the client, from the first arrival, warm-up included, to the last answer.
    examples : dict of str to str
        For each outcome that is not right, the first such response: its status, and how its body begins.
    void_reason : str or None
        Why this run says nothing about the server.
    """

    rate_per_s: float
    duration_s: float
    groups: dict[str, GroupResult]
    lag: LogHistogram
    idle_ratio: float
    waited: int
    reconnects: int
    received_bytes: int
    cpu_us: int
    elapsed_us: int
    next_counter: int
    examples: dict[str, str]
    void_reason: str | None

    @property
    def lag_p99_us(self) -> float:
        """How late the client itself was, 99th percentile."""
        return self.lag.percentile(99) / 1e3 if self.lag.total else 0.0

    @property
    def completed_per_s(self) -> float:
        """Right answers, in the time in which their requests arrived."""
        return self.completed / self.duration_s

    def goodput_per_s(self, slo_us: float) -> float:
        """Right answers in time, in the time in which their requests arrived."""
        return (self.scheduled - self.misses(slo_us)) / self.duration_s

    def merge(self, other: LoadRun) -> LoadRun:
        """Return both runs as one; void if one of them is. The rate is the mean one."""
        duration_s = self.duration_s + other.duration_s
        rates = self.rate_per_s * self.duration_s + other.rate_per_s * other.duration_s
        names = dict.fromkeys([*self.groups, *other.groups])
        both = self.merged(other)
        return replace(
            self,
            outcomes=both.outcomes,
            latency=both.latency,
            other_latency=both.other_latency,
            rate_per_s=rates / duration_s,
            duration_s=duration_s,
            groups={
                name: self.groups[name].merged(other.groups[name])
                if name in self.groups and name in other.groups
                else (self.groups.get(name) or other.groups[name])
                for name in names
            },
            lag=self.lag.merged(other.lag),
            idle_ratio=min(self.idle_ratio, other.idle_ratio),
            waited=self.waited + other.waited,
            reconnects=self.reconnects + other.reconnects,
            received_bytes=self.received_bytes + other.received_bytes,
            cpu_us=self.cpu_us + other.cpu_us,
            elapsed_us=self.elapsed_us + other.elapsed_us,
            next_counter=other.next_counter,
            examples={**other.examples, **self.examples},
            void_reason=self.void_reason or other.void_reason,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads, all of it plain values."""
        plain = (
            *("rate_per_s", "duration_s", "idle_ratio", "waited", "reconnects", "received_bytes", "cpu_us"),
            *("elapsed_us", "next_counter", "examples", "void_reason"),
        )
        return {
            **{name: getattr(self, name) for name in plain},
            "lag_ns": self.lag.to_pairs(),
            "groups": {name: group.to_json() for name, group in self.groups.items()},
        }

    @classmethod
    def from_json(cls, seen: Mapping[str, Any]) -> LoadRun:
        """Read what `to_json` wrote."""
        groups = {str(name): GroupResult.from_json(group) for name, group in seen["groups"].items()}
        total = GroupResult(dict.fromkeys(OUTCOMES, 0), LogHistogram(), LogHistogram())
        for group in groups.values():
            total = total.merged(group)
        return cls(
            outcomes=total.outcomes,
            latency=total.latency,
            other_latency=total.other_latency,
            rate_per_s=float(seen["rate_per_s"]),
            duration_s=float(seen["duration_s"]),
            groups=groups,
            lag=LogHistogram.from_pairs(seen["lag_ns"]),
            idle_ratio=float(seen["idle_ratio"]),
            waited=int(seen["waited"]),
            reconnects=int(seen["reconnects"]),
            received_bytes=int(seen["received_bytes"]),
            cpu_us=int(seen["cpu_us"]),
            elapsed_us=int(seen["elapsed_us"]),
            next_counter=int(seen["next_counter"]),
            examples=dict(seen["examples"]),
            void_reason=seen["void_reason"],
        )


def read_client(
    seen: Mapping[str, Any],
    rate_per_s: float,
    duration_s: float,
    groups: tuple[str, ...] = ("",),
    max_lag_p99_us: float = MAX_LAG_P99_US,
) -> LoadRun:
    """Read what the client printed, and judge whether it may be believed."""
    named = dict(zip(groups, seen["groups"], strict=True))
    idle_ratio = min(seen["idle_ratios"])
    run = LoadRun.from_json(
        {
            **seen,
            "groups": named,
            "idle_ratio": idle_ratio,
            "rate_per_s": rate_per_s,
            "duration_s": duration_s,
            "void_reason": None,
        }
    )
    return replace(run, void_reason=_void_reason(run, max_lag_p99_us))


def _void_reason(run: LoadRun, max_lag_p99_us: float) -> str | None:
    if run.scheduled == 0:
        return "nothing was sent"
    if run.lag_p99_us > max_lag_p99_us:
        return f"the client was {run.lag_p99_us / 1e3:.1f} ms late (p99)"
    if run.idle_ratio < MIN_IDLE_RATIO:
        return "the client was saturated"
    return None


def run_load(
    target: Target,
    arrivals: Arrivals,
    *,
    rate_per_s: float,
    duration_s: float,
    warmup_s: float = 0.0,
    connections: int = 256,
    threads: int = 1,
    seed: int = 1,
    keys: Keys = UNIQUE,
    first_counter: int = FIRST_COUNTER,
    drain_s: float = 2.0,
    max_lag_p99_us: float = MAX_LAG_P99_US,
    on_progress: Callable[[LoadProgress], None] | None = None,
) -> LoadRun:
    """Send requests to a target when they are due, whether or not it keeps up, and look at every answer.

    Parameters
    ----------
    warmup_s : float
        Sent before the measurement, at the same rate, and not recorded.
    connections : int
        Kept open, of all threads; the most requests that are under way at a time.
    threads : int
        Of the client; one sends some 100,000 small requests/s.
    keys : Keys
        Which inputs are asked for: each once, or some again.
    first_counter : int
        Of the first input; a next run goes on at `LoadRun.next_counter` if it must not meet the same inputs again.
    drain_s : float
        How long to wait for the last answers.
    max_lag_p99_us : float
        The run is void if the client was later than this; a tenth of the latency that is asked about is a good choice.
    on_progress : callable, optional
        Called about twice a second while the load runs; what it raises ends the load.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its range.
    StartError
        If the client was not built.
    UnavailableError
        If the server cannot be connected to.
    """
    for name, value, low, high in (
        ("threads", threads, 1, MAX_THREADS),
        ("connections", connections, threads, MAX_CONNECTIONS),
        ("first_counter", first_counter, FIRST_COUNTER, FIRST_COUNTER + COUNTER_COUNT - 1),
    ):
        if not low <= value <= high:
            raise InvalidArgumentError(f"{name} is {value!r}, expected an integer from {low} to {high}")
    for name, seconds in (("warmup_s", warmup_s), ("drain_s", drain_s)):
        if not (math.isfinite(seconds) and seconds >= 0):
            raise InvalidArgumentError(f"{name} is {seconds!r}, expected seconds, 0 or more")
    schedule = make_schedule(arrivals, rate_per_s, duration_s, warmup_s, seed, keys)
    options = ClientOptions(
        target.host, target.port, duration_s, warmup_s, connections, threads, first_counter, drain_s
    )
    total_s = warmup_s + duration_s

    def on_line(seen: Mapping[str, Any]) -> None:
        if on_progress is not None:
            on_progress(LoadProgress(seen["elapsed_us"] / 1e6, total_s, dict(seen["progress"])))

    with tempfile.TemporaryDirectory(prefix="clipper-load-") as name:
        directory = Path(name)
        offsets_file, keys_file = schedule.write(directory)
        files = ClientFiles(directory / "requests", directory / "checks", offsets_file, keys_file)
        files.requests.write_bytes(requests_file(target))
        files.checks.write_bytes(checks_file(target.check, [one.accept for one in target.requests]))
        seen = run_client(options, files, on_line if on_progress is not None else None)
    return read_client(seen, rate_per_s, duration_s, target.groups, max_lag_p99_us)
