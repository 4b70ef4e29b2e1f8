"""Who used the processors between two moments: the server, the load generator, this program, everybody else."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from clipper.bench.procfs import KERNEL_THREADS_PARENT, TICKS_PER_S, MachineCpu, ProcessStat, family, read_processes


@dataclass(frozen=True)
class Snapshot:
    """All processes, the machine's counters and the server's processes at one moment."""

    processes: Mapping[int, ProcessStat]
    machine: MachineCpu
    server: frozenset[int]
    at_s: float

    @classmethod
    def take(cls, roots: Collection[int]) -> Snapshot:
        """Look now; the server is whatever descends from the roots."""
        processes = read_processes()
        return cls(processes, MachineCpu.read(), frozenset(family(processes, roots)), time.monotonic())


@dataclass(frozen=True)
class Usage:
    """CPU use over a stretch of time."""

    server_cpu_us: float
    server_cores: float
    other_cores: float
    steal_cores: float


def usage_between(before: Snapshot, after: Snapshot, load_cpu_us: float, own_pid: int | None = None) -> Usage:
    """Split the machine's CPU time.

    What others used is the larger of two estimates: the sum over their processes (which misses those that came and went
    meanwhile), and the machine's busy time less all that is known (which misses nothing, but is sampled by ticks).

    Parameters
    ----------
    load_cpu_us : float
        What the load generator used, which has ended by now.
    own_pid : int, optional
        This program; found by itself unless a test says otherwise.
    """
    wall_s = after.at_s - before.at_s
    own = os.getpid() if own_pid is None else own_pid
    server_pids = before.server | after.server
    server_ticks = own_ticks = kernel_ticks = other_ticks = 0
    for pid, stat in after.processes.items():
        known = before.processes.get(pid)
        ticks = stat.cpu_ticks - (known.cpu_ticks if known else 0)
        if pid in server_pids:
            server_ticks += ticks
        elif pid == own:
            own_ticks += ticks
        elif KERNEL_THREADS_PARENT in (pid, stat.parent):
            kernel_ticks += ticks  # mostly the network work of those two
        else:
            other_ticks += ticks
    load_ticks = load_cpu_us / 1e6 * TICKS_PER_S
    busy_ticks = after.machine.busy_ticks - before.machine.busy_ticks
    unexplained_ticks = busy_ticks - server_ticks - own_ticks - kernel_ticks - load_ticks
    per_core = TICKS_PER_S * wall_s
    return Usage(
        server_cpu_us=server_ticks / TICKS_PER_S * 1e6,
        server_cores=server_ticks / per_core,
        other_cores=max(0.0, other_ticks, unexplained_ticks) / per_core,
        steal_cores=(after.machine.steal_ticks - before.machine.steal_ticks) / per_core,
    )
