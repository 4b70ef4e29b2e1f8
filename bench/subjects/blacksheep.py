"""blacksheep: an ASGI framework in Cython; on uvicorn with httptools and uvloop, the model inline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.subjects.peer import EVERY_ROUTE, PeerSubject
from bench.subjects.subject import Role
from bench.workloads import Workload


class Blacksheep(PeerSubject):
    """One worker, uvloop and httptools, no access log."""

    name = "blacksheep"
    role = Role.INLINE
    settings = "uvicorn (uvloop, httptools) + orjson, model inline, 1 worker, no access log"
    paths: ClassVar[Mapping[Workload, str]] = EVERY_ROUTE
    distributions = (
        "blacksheep",
        "uvicorn",
        "uvloop",
        "httptools",
        "orjson",
        "scikit-learn",
        "lightgbm",
        "onnxruntime",
    )

    def command(self) -> list[str]:
        """Return uvicorn's command line."""
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [self.python(), "-m", "uvicorn", *options, *address, "bench.subjects.servers.blacksheep_app:app"]
