"""When a worker that has just been started takes its first connection.

Connections that come meanwhile wait in the listening socket, which the supervisor holds. So a worker that was killed
has back what it had before it answers: its snapshot, and the replicas that run on. Else whoever had waited would be
told that there is no such application, or get the default output, some milliseconds before it could be served.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from clipper._core.rpc_server import RpcServer
from clipper.frontend.health import Readiness
from clipper.frontend.snapshots import SnapshotApplier

# A container that runs tries to connect every 20 ms; of one that is not heard of by then nothing is expected.
FIRST_REPLICA_LIMIT_US: Final = 500_000


class WarmStart:
    """Waits until there is something to answer with.

    Parameters
    ----------
    limit_us : int
        After so long connections are taken in any case.
    is_stopped : callable
        Whether the worker is to end: then nothing is worth waiting for.
    """

    def __init__(
        self, snapshots: SnapshotApplier, rpc: RpcServer, limit_us: int, is_stopped: Callable[[], bool]
    ) -> None:
        self._snapshots = snapshots
        self._rpc = rpc
        self._limit_us = limit_us
        self._is_stopped = is_stopped
        self._readiness = Readiness(snapshots)
        self._snapshot_us: int | None = None
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """A snapshot or a replica has come, or the worker is to end."""
        self._changed.set()

    async def wait(self) -> None:
        """Return when connections may be taken."""
        started_us = now_us = time.monotonic_ns() // 1_000
        while not self.is_over(started_us, now_us):
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((self.next_limit_us(started_us, now_us) - now_us) / 1e6):
                    await self._changed.wait()
            now_us = time.monotonic_ns() // 1_000

    def next_limit_us(self, started_us: int, now_us: int) -> int:
        """Return when it may be over although nothing has changed."""
        limits = [started_us + self._limit_us]
        if self._snapshot_us is not None:
            limits.append(self._snapshot_us + FIRST_REPLICA_LIMIT_US)
        return min(limit for limit in limits if limit > now_us)

    def is_over(self, started_us: int, now_us: int) -> bool:
        """Whether there is no more to wait for."""
        if self._is_stopped() or now_us - started_us >= self._limit_us:
            return True
        if self._snapshots.revision == 0:
            return False
        if self._snapshot_us is None:
            self._snapshot_us = now_us
        if not self._readiness.missing():
            return True
        is_anybody_there = bool(self._rpc.replicas_by_id)
        return not is_anybody_there and now_us - self._snapshot_us >= FIRST_REPLICA_LIMIT_US
