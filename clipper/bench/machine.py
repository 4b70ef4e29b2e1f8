"""What a result was measured on; recorded with it, since only figures of one machine compare."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

RECORDED_VARIABLES: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
_GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


@dataclass(frozen=True)
class Host:
    """Machine, kernel and versions."""

    cpu: str
    cores: int  # that this process may use
    memory_gb: float
    kernel: str
    system: str
    python: str
    started_at: str  # UTC
    variables: dict[str, str]  # of the environment, that numerical libraries listen to


def describe_host() -> dict[str, Any]:
    """Look at this machine now; returns the fields of `Host`."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_bytes / 1e9, 1),
        "kernel": platform.release(),
        "system": _field("/etc/os-release", "PRETTY_NAME").strip('"'),
        "python": platform.python_version(),
        "started_at": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        "variables": {name: os.environ[name] for name in RECORDED_VARIABLES if name in os.environ},
    }


def doubts_about_host() -> list[str]:
    """Return what of this machine's present state makes figures less repeatable, as sentences."""
    doubts = []
    try:
        governor = _GOVERNOR.read_text(encoding="ascii").strip()
    except OSError:  # most virtual machines have none
        governor = "performance"
    if governor != "performance":
        doubts.append(f"the processors' clock varies with the load (scaling governor {governor!r})")
    if os.sched_getaffinity(0) and len(os.sched_getaffinity(0)) < 2:
        doubts.append("this program may use a single core: the load generator and what watches it share it")
    return doubts


def _field(file: str, name: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    match = re.search(rf"^{re.escape(name)}\s*[:=]\s*(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else "unknown"
