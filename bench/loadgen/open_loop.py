"""Open loop: builds and runs the compiled client, and judges whether its run may be believed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.loadgen.histogram import LogHistogram
from bench.loadgen.wrk import LoadError

SOURCES = Path(__file__).resolve().parent
BUILD_DIR = SOURCES / ".build"

# A tenth of the 20 ms that the search asks for: a client later than that measures itself.
MAX_LAG_P99_US = 2_000.0
# A client that never sleeps is saturated, and what it takes for the server's latency is its own.
MIN_IDLE_RATIO = 0.01


@dataclass(frozen=True)
class Arrivals:
    """What the client is to send."""

    rate_per_s: float
    duration_s: float
    warmup_s: float
    connections: int
    seed: int
    first_counter: int


@dataclass(frozen=True)
class Expectation:
    """What a good answer looks like, as text, since every answer of an open-loop run is checked."""

    echoes_counter: bool = False
    accept: tuple[str, ...] = ()  # one of these is in the body; empty: anything goes


@dataclass(frozen=True)
class OpenLoopRun:
    """One run: latency from the scheduled arrival, failures by kind, and what the client says of itself."""

    rate_per_s: float
    scheduled: int
    completed: int
    failures: dict[str, int]
    latency: LogHistogram  # ns
    lag: LogHistogram  # ns
    idle_ratio: float
    cpu_us: int
    elapsed_us: int
    next_counter: int

    @property
    def failed(self) -> int:
        """Requests without a good answer; each counts as infinitely late."""
        return sum(self.failures.values())

    def latency_us(self, percent: float) -> float:
        """Percentile of latency in us; infinite where it falls among the failures."""
        return self.latency.percentile(percent, missing=self.failed) / 1e3

    @property
    def lag_p99_us(self) -> float:
        """How late the client itself was, 99th percentile."""
        return self.lag.percentile(99) / 1e3

    @property
    def void_reason(self) -> str | None:
        """Why this run says nothing about the server, or None."""
        if self.scheduled == 0:
            return "nothing was sent"
        if self.lag.total > 0 and self.lag_p99_us > MAX_LAG_P99_US:
            return f"the client was {self.lag_p99_us / 1e3:.1f} ms late (p99)"
        if self.idle_ratio < MIN_IDLE_RATIO:
            return "the client was saturated"
        return None

    @classmethod
    def from_json(cls, rate_per_s: float, seen: Mapping[str, Any]) -> OpenLoopRun:
        """Read what the client prints."""
        kinds = ("bad_status", "wrong_answer", "lost", "unanswered")
        return cls(
            rate_per_s=rate_per_s,
            scheduled=int(seen["scheduled"]),
            completed=int(seen["completed"]),
            failures={kind: int(seen[kind]) for kind in kinds if int(seen[kind])},
            latency=LogHistogram.from_pairs(seen["latency_ns"]),
            lag=LogHistogram.from_pairs(seen["lag_ns"]),
            idle_ratio=float(seen["idle_ratio"]),
            cpu_us=int(seen["cpu_us"]),
            elapsed_us=int(seen["elapsed_us"]),
            next_counter=int(seen["next_counter"]),
        )


def build_client() -> Path:
    """Compile the client unless this very source has been compiled before; return the program.

    Raises
    ------
    LoadError
        If there is no C++ compiler, or it refuses.
    """
    digest = hashlib.sha256()
    for source in sorted([*SOURCES.glob("*.hpp"), SOURCES / "open_loop.cpp"]):
        digest.update(source.read_bytes())
    program = BUILD_DIR / f"open_loop-{digest.hexdigest()[:16]}"
    if program.exists():
        return program
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise LoadError("no C++ compiler: apt-get install -y --no-install-recommends g++")
    BUILD_DIR.mkdir(exist_ok=True)
    unfinished = program.with_suffix(".new")
    command = [compiler, "-std=c++17", "-O2", "-Wall", "-Wextra", "-o", str(unfinished), str(SOURCES / "open_loop.cpp")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LoadError(f"the open-loop client does not compile: {done.stderr.strip()[-1000:]}")
    unfinished.rename(program)
    return program


def run_open_loop(port: int, template: Path, arrivals: Arrivals, expectation: Expectation) -> OpenLoopRun:
    """Run the client once, against 127.0.0.1.

    Raises
    ------
    LoadError
        If the client fails, or does not end in the time that it was given.
    """
    command: list[str] = [str(build_client()), "--port", str(port), "--template", str(template)]
    command += ["--rate", repr(arrivals.rate_per_s), "--duration-s", repr(arrivals.duration_s)]
    command += ["--warmup-s", repr(arrivals.warmup_s), "--connections", str(arrivals.connections)]
    command += ["--seed", str(arrivals.seed), "--first-counter", str(arrivals.first_counter)]
    if expectation.echoes_counter:
        command.append("--echo-counter")
    for text in expectation.accept:
        command += ["--accept", text]
    limit_s = arrivals.duration_s + arrivals.warmup_s + 30
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"the open-loop client did not end within {limit_s:.0f} s") from error
    if done.returncode != 0:
        raise LoadError(done.stderr.strip() or f"the open-loop client ended with {done.returncode}")
    return OpenLoopRun.from_json(arrivals.rate_per_s, json.loads(done.stdout))
