"""The simulated world: arrivals on one side, replicas on the other, and the frontend under test between them."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from bench.simulate.arrivals import Times
from bench.simulate.replica_models import Duration

NEVER_US = 2**62
_NOBODY: Times = np.empty(0, np.uint64)


class Source(Protocol):
    """What comes when: `Arrivals`, `Steps`."""

    def times(self, seed: int, from_us: float, until_us: float) -> Iterator[Times]:
        """Yield the arrivals of a span of time in order, in chunks."""


class Frontend(Protocol):
    """What stands between the two: `SimulatedFrontend` of the core, or a policy to compare it with."""

    def advance(self, times_us: Times, begin: int, until_us: int) -> int: ...
    def wake(self, now_us: int) -> None: ...
    def finish(self, replica: Any, batch_id: int, compute_us: int, now_us: int) -> None: ...
    def take_sent(self) -> Sequence[tuple[Any, int, int, int]]: ...
    @property
    def next_wake_us(self) -> int | None: ...


@dataclass
class SimulatedReplica:
    """A container: evaluates batches one after the other, in the order in which they came.

    Parameters
    ----------
    duration : Duration
        How long a batch takes in the container.
    rpc_us : float
        What the way there and back adds, half of it each: encoding, sockets, wake-ups.
    """

    duration: Duration
    rpc_us: float = 0.0
    free_us: float = 0.0
    busy_us: float = 0.0
    sizes: list[int] = field(default_factory=list)

    def take(self, size: int, sent_us: int) -> tuple[int, int]:
        """Return when the result of a batch is back, and how long it was computed."""
        start_us = max(sent_us + self.rpc_us / 2, self.free_us)
        compute_us = self.duration(size, start_us)
        self.free_us = start_us + compute_us
        self.busy_us += compute_us
        self.sizes.append(size)
        return round(self.free_us + self.rpc_us / 2), round(compute_us)


@dataclass(frozen=True)
class Pace:
    """How fast it went."""

    simulated_s: float
    real_s: float

    @property
    def ratio(self) -> float:
        """Simulated seconds in one of ours."""
        return self.simulated_s / self.real_s if self.real_s else 0.0


def run(
    frontend: Frontend,
    source: Source,
    replica_of: Callable[[Any], SimulatedReplica],
    *,
    seed: int,
    duration_s: float,
) -> Pace:
    """Let queries come for a while, and everything in flight end.

    The next thing that happens is always one of three: an arrival, a result, a time that the dispatcher wished for.
    Arrivals between two others are handed over at once, so that a query costs no Python.
    """
    began = time.perf_counter()
    results: list[tuple[int, int, Any, int, int]] = []  # (when, order, replica, batch id, compute)
    order = 0
    for times in itertools.chain(_chunks(source, seed, duration_s), (_NOBODY,)):
        index, is_last = 0, len(times) == 0
        while True:
            result_us = results[0][0] if results else NEVER_US
            wish_us = frontend.next_wake_us
            wake_us = NEVER_US if wish_us is None else wish_us
            index = frontend.advance(times, index, min(result_us, wake_us))
            sent = frontend.take_sent()
            if not sent:
                wish_us = frontend.next_wake_us
                wake_us = NEVER_US if wish_us is None else wish_us
                next_us = int(times[index]) if index < len(times) else NEVER_US
                if min(result_us, wake_us) > next_us:
                    continue  # a wish was made for a time that arrivals have to wait for
                if index == len(times) and not is_last:
                    break  # the next chunk may begin before the next result
                if result_us == wake_us == NEVER_US:
                    break
                if result_us <= wake_us:
                    now_us, _, replica, batch_id, compute_us = heapq.heappop(results)
                    frontend.finish(replica, batch_id, compute_us, now_us)
                else:
                    frontend.wake(wake_us)
                sent = frontend.take_sent()
            for replica, batch_id, size, sent_us in sent:
                back_us, compute_us = replica_of(replica).take(size, sent_us)
                order += 1
                heapq.heappush(results, (back_us, order, replica, batch_id, compute_us))
    return Pace(duration_s, time.perf_counter() - began)


def _chunks(source: Source, seed: int, duration_s: float) -> Iterator[Times]:
    return (times for times in source.times(seed, 0.0, duration_s * 1e6) if len(times))
