"""LitServe: one API and one worker process for each model, batching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.subjects.peer import JSON_ROUTES, PeerSubject
from bench.subjects.subject import Role
from bench.workloads import Workload

NO_RAW_BODY = "it reads every body as JSON or as a form"


class LitServe(PeerSubject):
    """One API server, one worker a model, queues over ZeroMQ."""

    name = "litserve"
    role = Role.BATCHING
    settings = (
        "max_batch_size 512, batch_timeout 1 ms (with 0 its workers poll without end), fast_queue, 1 worker a model"
    )
    paths: ClassVar[Mapping[Workload, str]] = JSON_ROUTES
    cannot: ClassVar[Mapping[Workload, str]] = {Workload.LINEAR_BINARY: NO_RAW_BODY, Workload.IMAGE: NO_RAW_BODY}
    distributions = ("litserve", "scikit-learn", "lightgbm", "onnxruntime")

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [self.python(), "-m", "bench.subjects.servers.litserve_server", str(self.port)]
