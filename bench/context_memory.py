"""The memory that personalised selection takes: every context has a state at management and a plan at the frontend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.paper.stage import Stage, StageError
from bench.query_client import QueryConnection, predict, update
from clipper.bench.procfs import rss_bytes

APPLICATION: Final = "by-context"
POLICY: Final = {"name": "thompson"}
SLO_US: Final = 1_000_000
LENGTH: Final = 2
CONNECTIONS: Final = 16
LEARNT_LIMIT_S: Final = 300.0
MB: Final = 1_000_000
# What the document promises for each process, per context of an application with four models.
LIMIT_BYTES_PER_CONTEXT: Final = {"frontend": 1_000, "management": 2_500}


@dataclass(frozen=True)
class ContextMemory:
    """What each process grew by while an application learnt of so many contexts."""

    contexts: int
    models: int
    before_bytes: dict[str, int]
    after_bytes: dict[str, int]
    kept: int  # contexts that management counts
    duration_s: float

    def grown_bytes(self, process: str) -> int:
        """Return the growth of a process."""
        return self.after_bytes[process] - self.before_bytes[process]

    @property
    def sentence(self) -> str:
        """Say it in words."""
        parts = [
            f"{process} {self.grown_bytes(process) / MB:.0f} MB more ({self.grown_bytes(process) / self.contexts:,.0f} "
            f"bytes a context; bound {limit:,})"
            for process, limit in LIMIT_BYTES_PER_CONTEXT.items()
        ]
        return (
            f"{self.contexts:,} contexts of an application over {self.models} models, each asked once and told one "
            f"label: {' and '.join(parts)}, learnt in {self.duration_s:.0f} s."
        )

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        found = [
            f"{process}: {self.grown_bytes(process) / self.contexts:,.0f} bytes a context, the bound is {limit:,}"
            for process, limit in LIMIT_BYTES_PER_CONTEXT.items()
            if self.grown_bytes(process) > limit * self.contexts
        ]
        if self.kept != self.contexts:
            found.append(f"{self.kept} of {self.contexts} contexts are kept")
        return found


def measure_contexts(stage: Stage, pids: Mapping[str, int], models: Sequence[str], count: int) -> ContextMemory:
    """Ask and tell one label in each of so many contexts, wait until all are learnt, and look at the memory.

    Parameters
    ----------
    pids : mapping
        Of the processes `frontend` and `management`.
    """
    learning: dict[str, Any] = {"per_context": True, "max_contexts": count}
    stage.register(APPLICATION, models, POLICY, SLO_US, LENGTH, learning)
    before = {process: rss_bytes(pid) for process, pid in pids.items()}
    started_s = time.monotonic()
    asyncio.run(_tell_all(stage.port, count))
    ends_s = time.monotonic() + LEARNT_LIMIT_S
    while (seen := stage.policy_of(APPLICATION))["observations"] < count:
        if time.monotonic() > ends_s:
            raise StageError(f"{seen['observations']} of {count} labels were learnt after {LEARNT_LIMIT_S:.0f} s more")
        time.sleep(0.2)
    duration_s = time.monotonic() - started_s
    after = {process: rss_bytes(pid) for process, pid in pids.items()}
    return ContextMemory(count, len(models), before, after, int(seen["contexts"]), round(duration_s, 1))


async def _tell_all(port: int, count: int) -> None:
    async def some(first: int) -> None:
        async with QueryConnection(port) as connection:
            told: list[bytes] = []
            for number in range(first, count, CONNECTIONS):
                *taken, answer = await connection.exchange(
                    *told, predict(APPLICATION, (number + 0.5, 1.0), f"user-{number}")
                )
                for one in taken:
                    one.or_raise()
                told = [update(APPLICATION, answer.or_raise()["query_id"], number + 0.5)]
            for one in await connection.exchange(*told):
                one.or_raise()

    async with asyncio.TaskGroup() as group:
        for first in range(min(CONNECTIONS, count)):
            group.create_task(some(first))
