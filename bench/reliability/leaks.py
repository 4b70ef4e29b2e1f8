"""What a process holds, before and after something that must leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.reliability.context import Bench, NotInTimeError
from bench.reliability.instance import FRONTEND, MANAGEMENT, Instance
from bench.reliability.load import Load
from clipper.bench.procfs import rss_bytes

MAX_GROWTH_BYTES: Final = 4_000_000  # of resident memory: of ten thousand connections each leaks less than half a KB
SETTLE_S: Final = 15.0
PAUSE_S: Final = 0.3
SLACK: Final = 2  # connections that come and go beside, such as the harness's own questions


@dataclass(frozen=True)
class Footprint:
    """Of a frontend worker, and of management beside it; without the connections of the load that goes on."""

    connections: int
    descriptors: int
    threads: int
    frontend_bytes: int
    management_bytes: int

    @classmethod
    def of(cls, instance: Instance, beside: Sequence[Load] = ()) -> Footprint:
        """Measure it now.

        The loads that go on beside keep a connection for each query that was ever under way at once: how many hangs on
        the longest pause so far.
        """
        frontend, management = instance.pid_of(FRONTEND), instance.pid_of(MANAGEMENT)
        of_load = sum(load.connections for load in beside)
        return cls(
            connections=int(instance.metric("clipper_http_connections_open")) - of_load,
            descriptors=len(os.listdir(f"/proc/{frontend}/fd")) - of_load,
            threads=len(list(Path(f"/proc/{frontend}/task").iterdir())),
            frontend_bytes=rss_bytes(frontend),
            management_bytes=rss_bytes(management),
        )


def settled(
    bench: Bench, instance: Instance, like: Footprint | None = None, *, beside: Sequence[Load] = ()
) -> Footprint:
    """Return the footprint once connections and descriptors are as few as before, or do not change any more.

    The last connections may still be on their way out.
    """
    last = Footprint.of(instance, beside)

    def is_settled() -> bool:
        nonlocal last
        time.sleep(PAUSE_S)
        was, last = last, Footprint.of(instance, beside)
        if like is not None:
            return last.connections <= like.connections + SLACK and last.descriptors <= like.descriptors + SLACK
        return last.connections >= was.connections and last.descriptors >= was.descriptors

    with contextlib.suppress(NotInTimeError):  # then the checks say so
        bench.wait_until(is_settled, SETTLE_S)
    return last


def check_footprint(
    bench: Bench, what: str, before: Footprint, instance: Instance, *, beside: Sequence[Load] = ()
) -> None:
    """Check that connections, descriptors and threads are as they were, and memory nearly so."""
    now = settled(bench, instance, before, beside=beside)
    connections, descriptors = now.connections - before.connections, now.descriptors - before.descriptors
    threads, grown = now.threads - before.threads, now.frontend_bytes - before.frontend_bytes
    bench.check(
        f"{what}: left behind",
        f"{max(0, connections)} connections, {max(0, descriptors)} descriptors, {max(0, threads)} threads",
        connections <= SLACK and descriptors <= SLACK and threads <= SLACK,
    )
    bench.check(f"{what}: memory grew by", f"{grown / 1e6:+.2f} MB", grown < MAX_GROWTH_BYTES)
    management = now.management_bytes - before.management_bytes
    if management >= MAX_GROWTH_BYTES:
        bench.check(f"{what}: management's memory grew by", f"{management / 1e6:+.2f} MB", holds=False)
