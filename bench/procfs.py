"""What /proc says: CPU time by process, who descends from whom, memory. Linux only, as Clipper is."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
KERNEL_THREADS_PARENT = 2


@dataclass(frozen=True)
class ProcessStat:
    """The fields of /proc/PID/stat that we use."""

    pid: int
    parent: int
    session: int
    cpu_ticks: int  # user + system, all threads
    reaped_ticks: int  # of children that ended and were waited for


@dataclass(frozen=True)
class ChildCpu:
    """What a child process took from its start to its end."""

    cpu_us: int
    wall_us: int

    @property
    def cores(self) -> float:
        """Mean number of cores in use."""
        return self.cpu_us / self.wall_us if self.wall_us else 0.0


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
    )


def read_processes() -> dict[int, ProcessStat]:
    """Read every process there is; those that end meanwhile are left out."""
    processes = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = parse_stat(Path("/proc", entry, "stat").read_text(encoding="utf-8", errors="replace"))
            except (OSError, ValueError):
                continue
            processes[stat.pid] = stat
    return processes


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


def command_line(pid: int) -> str:
    """Return the arguments of a process, joined by blanks; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def processes_of(run_dir: Path) -> dict[int, str]:
    """Return pid -> command line of every process that carries ``run_dir`` in its arguments or environment."""
    needle = os.fsencode(run_dir)
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if command and needle in command + (entry / "environ").read_bytes():
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def _memory_bytes(pid: int, field: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def wait_with_cpu(process: subprocess.Popen[str]) -> tuple[str, ChildCpu]:
    """Wait for a child whose standard output is a pipe; return that output and what the child took.

    No other child of this process may end meanwhile, as its time would be counted here.
    """
    before, started = os.times(), os.times().elapsed
    output, _ = process.communicate()
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return output, ChildCpu(cpu_us=round(cpu_s * 1e6), wall_us=round((after.elapsed - started) * 1e6))
