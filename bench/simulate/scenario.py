"""One simulated run: what comes, who serves it and how batches are formed; and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.lines import SLO_US, Line
from bench.simulate import replica_models
from bench.simulate.arrivals import Arrivals
from bench.simulate.replica_models import Duration
from bench.simulate.world import Pace, SimulatedReplica, Source, run
from clipper._core.simulated_frontend import SimulatedFrontend

INTERVAL_US = 100_000
# Queries of the first seconds are not counted where a settled state is asked for: the size is still being looked for.
WARMUP_S = 2.0


@dataclass(frozen=True)
class Batching:
    """The batching options of a model, as its owner states them."""

    controller: str = "aimd"
    batch_size: int = 0
    max_batch_size: int = 0

    def __str__(self) -> str:
        return f"fixed {self.batch_size}" if self.controller == "fixed" else self.controller


AIMD, QUANTILE, NO_BATCHING = Batching("aimd"), Batching("quantile"), Batching("fixed", 1)


def fixed(size: int) -> Batching:
    """Batches of at most this size."""
    return Batching("fixed", size)


@dataclass(frozen=True)
class Tally:
    """What became of queries."""

    offered: int = 0
    in_time: int = 0
    late: int = 0
    dropped: int = 0
    expired: int = 0
    refused: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(a + b for a, b in zip(self.values, other.values, strict=True)))

    @property
    def values(self) -> tuple[int, ...]:
        """The counts in the order of the fields."""
        return (self.offered, self.in_time, self.late, self.dropped, self.expired, self.refused)

    @property
    def in_time_ratio(self) -> float:
        """Share of the offered queries that got the model's answer in time."""
        return self.in_time / self.offered if self.offered else 1.0


@dataclass(frozen=True)
class Outcome:
    """What a run showed, by interval of arrival."""

    tallies: Sequence[Tally]
    interval_us: int
    p99_us: int
    replicas: Sequence[SimulatedReplica]
    pace: Pace

    def between(self, from_s: float, until_s: float) -> Tally:
        """Add up what arrived in a span of time."""
        first, last = (round(at * 1e6 / self.interval_us) for at in (from_s, until_s))
        return sum(self.tallies[first:last], Tally())

    def goodput_per_s(self, from_s: float, until_s: float) -> float:
        """Answers in time to what arrived in a span of time, per second."""
        return self.between(from_s, until_s).in_time / (until_s - from_s)


@dataclass(frozen=True)
class Scenario:
    """One run.

    Parameters
    ----------
    replicas : sequence of callables
        Each makes the `Duration` of one replica from a seed.
    rpc_us : float
        What the way to a container and back adds to a batch.
    """

    source: Source
    replicas: Sequence[Callable[[int], Duration]]
    batching: Batching = AIMD
    slo_us: int = SLO_US
    reply_margin_us: int = 500
    rpc_us: float = 0.0
    duration_s: float = 20.0
    seed: int = 1
    admission: bool = True

    def run(self) -> Outcome:
        """Run it; the same scenario gives the same outcome, always."""
        frontend = SimulatedFrontend(
            slo_us=self.slo_us, reply_margin_us=self.reply_margin_us, interval_us=INTERVAL_US, admission=self.admission
        )
        frontend.model.configure(
            controller=self.batching.controller,
            batch_size=self.batching.batch_size,
            max_batch_size=self.batching.max_batch_size,
            slo_us=self.slo_us,
        )
        replicas = [
            SimulatedReplica(make(self.seed + number), self.rpc_us) for number, make in enumerate(self.replicas, 1)
        ]
        known = {
            id(frontend.dispatcher.add_replica(frontend.model, f"simulated:1:{number}")): replica
            for number, replica in enumerate(replicas)
        }
        pace = run(frontend, self.source, lambda at: known[id(at)], seed=1000 * self.seed, duration_s=self.duration_s)
        tallies = [Tally(*counts) for counts in frontend.outcomes]
        return Outcome(tallies, INTERVAL_US, frontend.latency_us.percentile(0.99), replicas, pace)

    def at_rate(self, rate_per_s: float) -> Scenario:
        """Return the same under a Poisson process of this rate."""
        return replace(self, source=Arrivals(rate_per_s))


def on_line(line: Line, batching: Batching, *, noise_ratio: float = 0.0, rpc_us: float = 0.0) -> Scenario:
    """Return a scenario with one replica on a line, at no load yet."""

    def make(seed: int) -> Duration:
        exact = replica_models.line(line)
        return replica_models.noisy(exact, noise_ratio, seed=seed) if noise_ratio else exact

    return Scenario(Arrivals(0.0), (make,), batching, rpc_us=rpc_us)
