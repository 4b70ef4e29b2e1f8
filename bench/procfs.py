"""Child processes of the benchmarks and tests: what they took, and which of them are still there."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ChildCpu:
    """What a child process took from its start to its end."""

    cpu_us: int
    wall_us: int

    @property
    def cores(self) -> float:
        """Mean number of cores in use."""
        return self.cpu_us / self.wall_us if self.wall_us else 0.0


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


def is_in_container(pid: int) -> bool:
    """Whether a process numbers the processes around it otherwise than this one does; not if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    return False


def wait_with_cpu(process: subprocess.Popen[str]) -> tuple[str, ChildCpu]:
    """Wait for a child whose standard output is a pipe; return that output and what the child took.

    No other child of this process may end meanwhile, as its time would be counted here.
    """
    before, started = os.times(), os.times().elapsed
    output, _ = process.communicate()
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return output, ChildCpu(cpu_us=round(cpu_s * 1e6), wall_us=round((after.elapsed - started) * 1e6))
