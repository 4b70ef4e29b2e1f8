"""What to do with queries that cannot be met: the ways that collapse under overload beside the one that does not.

A frontend of its own over the core's real slot pool and queue, since the product's has one policy. One replica, a fixed
largest batch, and a perfect prediction of a batch's duration: what is seen is the policy alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.lines import SLO_US, Line
from bench.simulate.arrivals import Arrivals, Times
from bench.simulate.replica_models import line as exact
from bench.simulate.world import SimulatedReplica, run
from clipper._core.batch_queue import BatchQueue
from clipper._core.slot_pool import SlotPoolHandle

SLOTS = 65_536  # lazy dropping lets long queues grow


class Choice(NamedTuple):
    """How large a batch is to be, and when what is popped has to be done at the latest to be kept."""

    size: int
    base_us: int = 0
    per_item_us: float = 0.0


Policy = Callable[[Line, int, float], Choice]
"""(line, largest size, time that the first query not yet past its deadline has left in us) -> what to pop."""


def lazy(line: Line, largest: int, slack_us: float) -> Choice:
    """Drop only what is past its deadline already."""
    return Choice(largest)


def shrinking(line: Line, largest: int, slack_us: float) -> Choice:
    """Make the batch so small that the head of the queue is still in time."""
    return Choice(min(largest, line.size_within(slack_us)))


def early(line: Line, largest: int, slack_us: float) -> Choice:
    """Choose the size first, and drop the heads that a batch of that size cannot meet (Nexus, SOSP '19)."""
    return Choice(largest, round(line.base_us), line.per_item_us)


@dataclass
class PolicyFrontend:
    """One model with one replica; batches are formed as the policy says."""

    policy: Policy
    line: Line
    largest: int
    slo_us: int = SLO_US

    def __post_init__(self) -> None:
        self._slots = SlotPoolHandle(SLOTS, 64 * SLOTS)
        self._queue = BatchQueue([self._slots])
        self._deadlines: deque[int] = deque()  # of the queue, in its order
        self._deadline_of = [0] * SLOTS
        self._in_flight: list[int] = []
        self._sent: list[tuple[int, int, int, int]] = []
        self.offered = self.in_time = 0

    @property
    def next_wake_us(self) -> int | None:
        """Nothing ever waits for the clock alone."""
        return None

    def advance(self, times_us: Times, begin: int, until_us: int) -> int:
        """Let queries arrive."""
        end = bisect_right(times_us, until_us, begin)
        for index in range(begin, end):
            now_us = int(times_us[index])
            self.offered += 1
            slot = self._slots.acquire(b"")
            if slot < 0:
                continue
            deadline_us = now_us + self.slo_us
            self._slots.set_deadlines(slot, deadline_us, deadline_us)
            self._queue.push_slot(slot, self.slo_us)
            self._deadlines.append(deadline_us)
            self._deadline_of[slot] = deadline_us
            if not self._in_flight:
                self._dispatch(now_us)
                return index + 1
        return end

    def wake(self, now_us: int) -> None:
        """Nothing was wished for."""

    def finish(self, replica: int, batch_id: int, compute_us: int, now_us: int) -> None:
        """The batch is answered; the next one leaves."""
        for slot in self._in_flight:
            self.in_time += now_us <= self._deadline_of[slot]
            self._slots.release(slot)
        self._in_flight = []
        self._dispatch(now_us)

    def take_sent(self) -> Sequence[tuple[int, int, int, int]]:
        """Return what was sent since the last call."""
        sent, self._sent = self._sent, []
        return sent

    def _dispatch(self, now_us: int) -> None:
        while self._deadlines and not self._in_flight:
            alive_us = next((at for at in self._deadlines if at >= now_us), now_us)
            choice = self.policy(self.line, self.largest, alive_us - now_us)
            batch, dropped = self._queue.pop(
                choice.size, now_us, base_us=choice.base_us, per_item_us=choice.per_item_us
            )
            for slot in dropped:
                self._slots.release(slot)
            for _ in range(
                len(batch) + len(dropped)
            ):  # a prefix of the queue: one objective, hence first in, first out
                self._deadlines.popleft()
            self._in_flight = list(batch)
            if batch:
                self._sent.append((0, 0, len(batch), now_us))


def goodput_ratio(policy: Policy, line: Line, load: float, *, duration_s: float = 30.0, seed: int = 1) -> float:
    """Answers in time over what batches of half the objective can serve, at so many times that load."""
    largest = line.size_within(SLO_US / 2)
    capacity_per_s = line.capacity_per_s(largest)
    frontend = PolicyFrontend(policy, line, largest)
    replica = SimulatedReplica(exact(line))
    run(frontend, Arrivals(load * capacity_per_s), lambda _: replica, seed=seed, duration_s=duration_s)
    return frontend.in_time / duration_s / capacity_per_s
