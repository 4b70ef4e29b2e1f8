"""What a result was measured on; recorded with it, since only figures of one run compare."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

RECORDED_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Machine:
    """Machine, kernel, versions and commit."""

    cpu: str
    cores: int
    memory_gb: float
    kernel: str
    system: str
    python: str
    wrk: str
    compiler: str
    commit: str
    has_local_changes: bool
    started_at: str  # UTC
    variables: dict[str, str]  # of the environment, that numerical libraries listen to


def describe_machine() -> Machine:
    """Look at this machine now."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=_field("/proc/cpuinfo", "model name"),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(memory_bytes / 1e9, 1),
        kernel=platform.release(),
        system=_field("/etc/os-release", "PRETTY_NAME").strip('"'),
        python=platform.python_version(),
        wrk=_first_line(["wrk", "--version"]),
        compiler=_first_line(["g++", "--version"]),
        commit=_first_line(["git", "rev-parse", "HEAD"]),
        has_local_changes=_first_line(["git", "status", "--porcelain", "--untracked-files=no"]) not in ("", "unknown"),
        started_at=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        variables={name: os.environ[name] for name in RECORDED_VARIABLES if name in os.environ},
    )


def _field(file: str, name: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    match = re.search(rf"^{re.escape(name)}\s*[:=]\s*(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else "unknown"


def _first_line(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return "missing"
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    lines = (done.stdout or done.stderr).strip().splitlines()
    if command[0] == "git" and done.returncode != 0:
        return "unknown"  # not a checkout
    return lines[0].strip() if lines else ""
