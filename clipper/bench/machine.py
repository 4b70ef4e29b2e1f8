"""What a result was measured on; recorded with it, since only figures of one machine compare."""

from __future__ import annotations

import os
import platform
import re
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

RECORDED_VARIABLES: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
_GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_TRACKED: Final = Path("/proc/sys/net/netfilter/nf_conntrack_count")  # of this network namespace

TRACKED: Final = (
    "the kernel looks up the connection of each packet over loopback, as it does once Docker or Podman made NAT rules; "
    "a network of their own, in which both are started, spares server and load these rules: "
    "unshare --net sh -c 'ip link set lo up && exec COMMAND'"
)


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
    tracks_connections: bool | None = field(default=None, kw_only=True)  # `tracks_connections()`


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
        "tracks_connections": tracks_connections(),
    }


def tracks_connections() -> bool | None:
    """Return whether the kernel tracks the connections over loopback; None if it does not say.

    It does once there are NAT rules, such as those that Docker and Podman make and leave behind. From then on it looks
    each packet's connection up: a cost of each query that has nothing to do with who serves it.
    """
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        try:
            return int(_TRACKED.read_text(encoding="ascii")) > 0
        except (OSError, ValueError):
            return None


def doubts_about_host(*, is_loopback: bool) -> list[str]:
    """Return what of this machine's present state falsifies figures, as sentences.

    Parameters
    ----------
    is_loopback : bool
        Whether the server that is measured is on this machine.
    """
    doubts = []
    try:
        governor = _GOVERNOR.read_text(encoding="ascii").strip()
    except OSError:  # most virtual machines have none
        governor = "performance"
    if governor != "performance":
        doubts.append(f"the processors' clock varies with the load (scaling governor {governor!r})")
    if is_loopback and tracks_connections():
        doubts.append(TRACKED)
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
