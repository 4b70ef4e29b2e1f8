"""One cell of closed-loop load on an application of a running Clipper: what came of it, and what it cost."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.loadgen.request import FIRST_COUNTER, Body, CounterForm, RequestTemplate
from bench.loadgen.wrk import run_wrk
from bench.prometheus import growth, misses, parse_metrics
from bench.reliability.instance import SUPERVISOR, Instance
from clipper.bench.usage import Snapshot, usage_between


@dataclass(frozen=True, kw_only=True)
class CellFigures:
    """What every cell has; a measurement derives its own from it, which says what was loaded."""

    requests_per_s: float  # of good answers: failed requests, default outputs and errors are not throughput
    failed_ratio: float
    p50_us: float
    p99_us: float
    server_us_per_query: float  # CPU time of Clipper's processes and of the replicas, but not of a Docker daemon
    other_cores: float


class ClosedLoad:
    """Queries of doubles, none like one before it, over all cells that it measures.

    Parameters
    ----------
    warmup_s, duration_s : int
        The same queries before each cell, and in it.
    """

    def __init__(self, warmup_s: int, duration_s: int) -> None:
        self._warmup_s, self._duration_s = warmup_s, duration_s
        self._counter = FIRST_COUNTER

    def measure(
        self,
        instance: Instance,
        application: str,
        length: int,
        connections: int,
        replica_pids: Iterable[int] = (),
        beside: contextlib.AbstractContextManager[object] | None = None,
    ) -> CellFigures:
        """Load one application with queries of ``length`` doubles.

        Parameters
        ----------
        replica_pids : iterable of int
            Processes to count that are not the supervisor's: those of containers.
        beside : context manager
            What else goes on during the cell, but not before it.

        Raises
        ------
        LoadError
            wrk is missing, or fails.
        """
        rest = b"".join(b",%d" % (place % 10) for place in range(1, length))
        body = Body(b'{"input":[', b".5" + rest + b"]}")
        template = RequestTemplate(f"/{application}/predict", (), (body,), CounterForm.DIGITS)
        with tempfile.TemporaryDirectory(prefix="clipper-cell-") as directory:
            file = Path(directory) / "requests"
            template.write(file, instance.port)
            warm_up = run_wrk(instance.port, file, connections, self._warmup_s, self._counter)
            self._counter += warm_up.requests + connections
            roots = [instance.pid_of(SUPERVISOR), *replica_pids]
            before, usage_before = parse_metrics(instance.clipper.metrics()), Snapshot.take(roots)
            with beside or contextlib.nullcontext():
                load = run_wrk(instance.port, file, connections, self._duration_s, self._counter)
            self._counter += load.requests + connections
            usage = usage_between(usage_before, Snapshot.take(roots), load.load.cpu_us)
            failed = load.errors + misses(growth(before, parse_metrics(instance.clipper.metrics())))
        return CellFigures(
            requests_per_s=max(0, load.requests - failed) / (load.duration_us / 1e6),
            failed_ratio=failed / max(1, load.requests),
            p50_us=load.p50_us,
            p99_us=load.p99_us,
            server_us_per_query=usage.server_cpu_us / max(1, load.requests),
            other_cores=usage.other_cores,
        )
