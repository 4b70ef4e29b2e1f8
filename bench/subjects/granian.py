"""granian: a Rust HTTP server; RSGI and orjson, the model inline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.subjects.peer import EVERY_ROUTE, PeerSubject
from bench.subjects.subject import Role
from bench.workloads import Workload


class Granian(PeerSubject):
    """One worker, uvloop, no access log."""

    name = "granian"
    role = Role.INLINE
    settings = "RSGI + orjson, model inline, 1 worker, uvloop, HTTP/1, no access log"
    paths: ClassVar[Mapping[Workload, str]] = EVERY_ROUTE
    distributions = ("granian", "uvloop", "orjson", "scikit-learn", "lightgbm", "onnxruntime")

    def command(self) -> list[str]:
        """Return granian's own command line."""
        options = ["--interface", "rsgi", "--http", "1", "--no-ws", "--workers", "1", "--loop", "uvloop"]
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [str(self.program("granian")), *options, *address, "bench.subjects.servers.granian_app:app"]
