"""What /proc says: CPU time by process, who descends from whom, memory. Linux only, as Clipper is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
KERNEL_THREADS_PARENT = 2
RESET_PEAK_RSS = "5"  # of /proc/PID/clear_refs: proc(5)


@dataclass(frozen=True)
class ProcessStat:
    """The fields of /proc/PID/stat that we use."""

    pid: int
    parent: int
    session: int
    cpu_ticks: int  # user + system, all threads
    reaped_ticks: int  # of children that ended and were waited for
    state: str = "S"  # one letter: R running, S and D asleep, T and t stopped, Z a zombie
    started_ticks: int = 0  # since the machine was booted; with the pid it names a process for ever


def parse_stat(text: str) -> ProcessStat:
    """Read one /proc/PID/stat; the command's name may hold blanks and parentheses."""
    pid = int(text[: text.index(" ")])
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessStat(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        reaped_ticks=int(fields[13]) + int(fields[14]),
        state=fields[0],
        started_ticks=int(fields[19]),
    )


def read_process(pid: int) -> ProcessStat | None:
    """Read one process; None if there is none."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return None


def run_time_ns(pid: int) -> int:
    """Return how long the threads that a process has now were on a processor, in ns; 0 if it is gone.

    Finer than the ticks of `ProcessStat`, where the kernel keeps it; from those ticks where it does not.
    """
    total_ns = 0
    try:
        with os.scandir(f"/proc/{pid}/task") as threads:
            for thread in threads:
                total_ns += int(Path(thread.path, "schedstat").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        stat = read_process(pid)
        return 0 if stat is None else stat.cpu_ticks * (1_000_000_000 // TICKS_PER_S)
    return total_ns


def forget_peak_rss(pid: int) -> bool:
    """Let the kernel count `peak_rss_bytes` anew from now on; whether it may be done for this process."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK_RSS, encoding="ascii")
    except OSError:
        return False
    return True


def read_processes() -> dict[int, ProcessStat]:
    """Read every process there is; those that end meanwhile are left out."""
    found = (read_process(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return {stat.pid: stat for stat in found if stat is not None}


def family(processes: dict[int, ProcessStat], roots: Collection[int]) -> set[int]:
    """Return the roots, whatever descends from them, and whatever shares a session with any of these."""
    members = {pid for pid in roots if pid in processes}
    while True:
        sessions = {processes[pid].session for pid in members} & members
        more = {
            stat.pid
            for stat in processes.values()
            if stat.pid not in members and (stat.parent in members or stat.session in sessions)
        }
        if not more:
            return members
        members |= more


@dataclass(frozen=True)
class MachineCpu:
    """CPU time of the whole machine in ticks, from the first line of /proc/stat."""

    busy_ticks: int  # user, nice and system; not interrupts, which nobody owns
    steal_ticks: int  # taken by other virtual machines

    @classmethod
    def read(cls) -> MachineCpu:
        """Read the counters as they are now."""
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(field) for field in file.readline().split()[1:]]
        return cls(busy_ticks=sum(fields[:3]), steal_ticks=fields[7])


def peak_rss_bytes(pid: int) -> int:
    """Return the largest resident size this process ever had; 0 if it is gone."""
    return _memory_bytes(pid, "VmHWM:")


def rss_bytes(pid: int) -> int:
    """Return the resident size of a process now; 0 if it is gone."""
    return _memory_bytes(pid, "VmRSS:")


def count_sockets(pid: int) -> int:
    """Return how many sockets a process has open; 0 if it is gone."""
    count = 0
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):  # closed meanwhile
                count += os.readlink(descriptor.path).startswith("socket:")
    return count


def command_line(pid: int) -> str:
    """Return the arguments of a process, joined by blanks; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _memory_bytes(pid: int, field: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0
