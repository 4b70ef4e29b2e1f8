"""What a server took for the queries of a run: processor time and memory of each of its processes, from /proc."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Self

from clipper.bench.procfs import TICKS_PER_S, family, forget_peak_rss, peak_rss_bytes, read_processes
from clipper.bench.watch import short_command

_PER_MILLION = 1_000_000


@dataclass(frozen=True)
class ProcessCost:
    """What one process took.

    Parameters
    ----------
    cpu_s : float
        User and system time of the whole run, warm-up included, with that of its children that ended meanwhile.
    peak_rss_bytes : int
        The most memory that was resident at once; shared pages count in every process that has them.
    """

    pid: int
    command: str
    cpu_s: float
    cpu_s_per_million: float
    peak_rss_bytes: int


@dataclass(frozen=True)
class Cost:
    """What all processes of the server took for ``queries`` requests."""

    queries: int
    processes: tuple[ProcessCost, ...]
    is_peak_of_run: bool  # otherwise peaks are those since the start of each process

    @property
    def cpu_s_per_million(self) -> float:
        """Seconds of processor time for a million queries; the same figure is microseconds for one."""
        return sum(process.cpu_s_per_million for process in self.processes)

    @property
    def peak_rss_bytes(self) -> int:
        """Sum of the peaks, an upper bound of what the server had at any one moment."""
        return sum(process.peak_rss_bytes for process in self.processes)

    def to_json(self) -> dict[str, Any]:
        """Return its fields and sums."""
        return {
            **asdict(self),
            "cpu_s_per_million": self.cpu_s_per_million,
            "peak_rss_bytes": self.peak_rss_bytes,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        processes = tuple(ProcessCost(**process) for process in record["processes"])
        return cls(record["queries"], processes, record["is_peak_of_run"])


class CostMeter:
    """Measures between its creation and `cost`.

    Parameters
    ----------
    roots : collection of int
        The server's processes; those that descend from them count, too.
    """

    def __init__(self, roots: Collection[int]) -> None:
        self._roots = tuple(roots)
        self._before = self._ticks()
        self._is_peak_of_run = sum(forget_peak_rss(pid) for pid in self._before) == len(self._before)

    def cost(self, queries: int) -> Cost:
        """Return what was taken since, for so many requests that were sent."""
        processes = []
        for pid, ticks in sorted(self._ticks().items()):
            cpu_s = max(0, ticks - self._before.get(pid, 0)) / TICKS_PER_S
            per_million = cpu_s * _PER_MILLION / queries if queries else 0.0
            processes.append(ProcessCost(pid, short_command(pid), cpu_s, per_million, peak_rss_bytes(pid)))
        return Cost(queries, tuple(processes), self._is_peak_of_run)

    def _ticks(self) -> dict[int, int]:
        every = read_processes()
        return {pid: every[pid].cpu_ticks + every[pid].reaped_ticks for pid in family(every, self._roots)}
