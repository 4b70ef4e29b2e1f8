"""Mosec: Rust HTTP server and batcher, models in Python processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.subjects.peer import EVERY_ROUTE, PeerSubject
from bench.subjects.subject import Role
from bench.workloads import Workload


class Mosec(PeerSubject):
    """One worker process a route."""

    name = "mosec"
    role = Role.BATCHING
    settings = "max_batch_size 512, max_wait_time 1 ms (its minimum), 1 worker a route, orjson"
    paths: ClassVar[Mapping[Workload, str]] = EVERY_ROUTE
    distributions = ("mosec", "orjson", "scikit-learn", "lightgbm", "onnxruntime")

    def command(self) -> list[str]:
        """Return the server's command line."""
        address = ["--address", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        return [self.python(), "-m", "bench.subjects.servers.mosec_server", *address]
