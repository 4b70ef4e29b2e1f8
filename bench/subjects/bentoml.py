"""BentoML: one service, an API for each model, adaptive batching."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from bench.loadgen.request import RequestTemplate
from bench.subjects.peer import JSON_ROUTES, PeerSubject
from bench.subjects.subject import Role
from bench.workloads import Workload, inputs_around_hole, json_template, wrap

NO_RAW_BODY = "a batchable API takes JSON; raw bodies go through a file and are not batched"


class BentoMl(PeerSubject):
    """One worker; metrics, access log and usage statistics off."""

    name = "bentoml"
    role = Role.BATCHING
    settings = "adaptive batching, max_batch_size 512, max_latency_ms 1000, 1 worker, no metrics, no access log"
    paths: ClassVar[Mapping[Workload, str]] = JSON_ROUTES
    cannot: ClassVar[Mapping[Workload, str]] = {Workload.LINEAR_BINARY: NO_RAW_BODY, Workload.IMAGE: NO_RAW_BODY}
    distributions = ("bentoml", "scikit-learn", "lightgbm", "onnxruntime")

    def command(self) -> list[str]:
        """Return bentoml's own command line."""
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--api-workers", "1"]
        return [str(self.program("bentoml")), "serve", "bench.subjects.servers.bentoml_service:Models", *options]

    def environment(self) -> dict[str, str]:
        """Keep its files beside ours, and what it does to itself."""
        return {"BENTOML_HOME": str(self.directory / "home"), "BENTOML_DO_NOT_TRACK": "True"}

    def template(self, workload: Workload) -> RequestTemplate | None:
        """Return requests of a batch of one: what a batchable API takes."""
        path = self.paths.get(workload)
        if path is None:
            return None
        return json_template(path, wrap(inputs_around_hole(workload, self.site.model), b'{"inputs":[', b"]}"))

    def output_of(self, workload: Workload, answer: bytes) -> Any:
        """Return the output of the batch of one."""
        (output,) = json.loads(answer)
        return output
