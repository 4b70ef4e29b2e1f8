"""Closed loop: wrk with one thread and unique inputs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.procfs import ChildCpu, wait_with_cpu

SCRIPT = Path(__file__).with_name("unique.lua")
RESULT_MARK = "BENCH "


class LoadError(Exception):
    """The load generator itself failed; what it said is the message."""


@dataclass(frozen=True)
class WrkResult:
    """What wrk saw. Latency is wrk's own, which is corrected for coordinated omission only in the mean interval."""

    requests: int
    duration_us: int
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    response_bytes: int
    errors: int  # answers other than 2xx or 3xx, and socket errors
    load: ChildCpu


def run_wrk(port: int, template: Path, connections: int, duration_s: int, first_counter: int) -> WrkResult:
    """Run wrk once, against 127.0.0.1.

    Raises
    ------
    LoadError
        If wrk is missing, fails, or prints no result.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise LoadError("wrk is missing: apt-get install -y --no-install-recommends wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{duration_s}s", "--timeout", "10s", "-s", str(SCRIPT)]
    environment = {**os.environ, "BENCH_TEMPLATE": str(template), "BENCH_FIRST_COUNTER": str(first_counter)}
    process = subprocess.Popen(
        [*command, f"http://127.0.0.1:{port}/"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, load = wait_with_cpu(process)
    if process.returncode != 0:
        raise LoadError(f"wrk ended with {process.returncode}: {output.strip()[-500:]}")
    return parse_wrk(output, load)


def parse_wrk(output: str, load: ChildCpu) -> WrkResult:
    """Read the line that unique.lua prints at the end."""
    for line in reversed(output.splitlines()):
        if line.startswith(RESULT_MARK):
            seen = json.loads(line.removeprefix(RESULT_MARK))
            errors = sum(int(seen[kind]) for kind in ("connect", "read", "write", "status", "timeout"))
            return WrkResult(
                requests=int(seen["requests"]),
                duration_us=int(seen["duration_us"]),
                p50_us=float(seen["p50_us"]),
                p90_us=float(seen["p90_us"]),
                p99_us=float(seen["p99_us"]),
                max_us=float(seen["max_us"]),
                response_bytes=int(seen["bytes"]),
                errors=errors,
                load=load,
            )
    raise LoadError(f"wrk printed no result: {output.strip()[-500:]}")
