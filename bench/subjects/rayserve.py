"""Ray Serve: a deployment for each model behind its HTTP proxy, on a Ray of its own on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.subjects.peer import EVERY_ROUTE, PeerSubject
from bench.subjects.subject import Role
from bench.workloads import Workload


class RayServe(PeerSubject):
    """One replica a model, batches formed by `serve.batch`."""

    name = "rayserve"
    role = Role.BATCHING
    settings = (
        "serve.batch: max_batch_size 512, batch_wait_timeout_s 0; max_ongoing_requests 1024, 1 replica a model, "
        "RAY_SERVE_THROUGHPUT_OPTIMIZED=1, no access log, no dashboard"
    )
    paths: ClassVar[Mapping[Workload, str]] = EVERY_ROUTE
    start_limit_s = 240  # each of its processes imports all of Ray, and each model has one
    start_cost_s = 40.0
    quick_workloads = frozenset({Workload.NOOP, Workload.LINEAR})
    distributions = ("ray", "scikit-learn", "lightgbm", "onnxruntime")

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [self.python(), "-m", "bench.subjects.servers.rayserve_server", str(self.port), str(self.directory)]

    def environment(self) -> dict[str, str]:
        """Set what Ray's own guide sets for throughput, and give its HTTP proxy time to start on two cores.

        It is killed and started again when it is not ready in time, 5 s by default.
        """
        return {
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
        }
