"""Clipper itself, started through its public Python API in a process of its own (clipper_server.py)."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from bench.loadgen.open_loop import Expectation
from bench.loadgen.request import RequestTemplate
from bench.subjects.subject import DefaultAnswerError, Role, Subject, free_port
from bench.workloads import Part, Workload, mixed_application
from clipper.bench.procfs import command_line

FRONTEND_MODULE = "clipper.frontend"


class Clipper(Subject):
    """Defaults as shipped; applications with an SLO of 20 ms, one replica a model."""

    name = "clipper"
    role = Role.OURS
    settings = (
        "defaults as shipped, SLO 20 ms (IMAGE 100 ms, the mixed row as it says), 1 frontend worker, "
        "1 replica a model, process containers"
    )
    start_cost_s = 10.0
    paths: ClassVar[Mapping[Workload, str]] = {workload: f"/{workload.model}/predict" for workload in Workload}

    metrics_path = "/metrics"

    def missing(self) -> str | None:
        """Whether the package can be imported here."""
        if importlib.util.find_spec("clipper._core.query_processor") is None:
            return "the compiled core is not built: make build"
        return None

    def version(self) -> str:
        """Tell the Python it runs on; the commit stands beside the machine's description."""
        return f"this commit, Python {sys.version.split()[0]}"

    def command(self) -> list[str]:
        """Return the command line of the server's script."""
        ports = ["--query-port", str(self.port), "--management-port", str(free_port())]
        return [sys.executable, "-m", "bench.subjects.clipper_server", *ports]

    def mixed_template(self, part: Part) -> RequestTemplate | None:
        """Ask the application that has the part's own objective."""
        template = self.template(part.workload)
        return template and dataclasses.replace(template, path=f"/{mixed_application(part)}/predict")

    def output_of(self, workload: Workload, answer: bytes) -> Any:
        """Return the output; a default output is no answer."""
        seen = json.loads(answer)
        if seen["default"] is not False:
            raise DefaultAnswerError(f"clipper answers its default: {seen.get('default_explanation', '')!r}")
        return seen["output"]

    def expectation(self, workload: Workload) -> Expectation:
        """The counter comes back, and not as a default."""
        return Expectation(echoes_counter=workload is Workload.NOOP, accept=('"default":false', '"default": false'))

    def frontend_pids(self) -> set[int]:
        """Return the processes of the data path."""
        return {pid for pid in self.pids() if FRONTEND_MODULE in command_line(pid)}
