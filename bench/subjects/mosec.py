"""Mosec: Rust HTTP server and batcher, models in Python processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.loadgen.request import CounterForm, RequestTemplate
from bench.subjects.peer import PeerSubject
from bench.subjects.subject import Role
from bench.workloads import Workload


class Mosec(PeerSubject):
    """One worker process a route."""

    name = "mosec"
    role = Role.BATCHING
    settings = "max_batch_size 512, max_wait_time 1 ms (its minimum), 1 worker a route, orjson"
    paths: ClassVar[Mapping[Workload, str]] = {
        Workload.NOOP: "/noop",
        Workload.LINEAR: "/linear",
        Workload.LINEAR_BINARY: "/linear-binary",
    }
    distributions = ("mosec", "orjson", "scikit-learn")

    def command(self) -> list[str]:
        """Return the server's command line."""
        address = ["--address", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        return [self.python(), "-m", "bench.subjects.servers.mosec_server", *address]

    def template(self, workload: Workload) -> RequestTemplate | None:
        """Binary bodies are the raw doubles; JSON as everywhere."""
        if workload is not Workload.LINEAR_BINARY:
            return super().template(workload)
        return RequestTemplate(
            path=self.paths[workload],
            headers=(("Content-Type", "application/octet-stream"),),
            bodies=tuple(self.site.model.bytes_around_hole()),
            counter_form=CounterForm.DOUBLE,
        )
