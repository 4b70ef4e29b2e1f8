"""MLServer: runtimes of our own behind its Open Inference Protocol, adaptive batching."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from bench.subjects.open_inference import INFER_PATHS, OpenInferenceSubject
from bench.subjects.subject import Role, free_port
from bench.workloads import Workload

MAX_BATCH_SIZE = 512
MAX_BATCH_TIME_S = 0.001
NO_RAW_BODY = "it has no binary tensors over HTTP"
NOT_SERVED = (Workload.LINEAR_BINARY, Workload.IMAGE)


class MlServer(OpenInferenceSubject):
    """Models in the server's process: for small ones its pool of worker processes costs more than it brings."""

    name = "mlserver"
    role = Role.BATCHING
    settings = "adaptive batching, max_batch_size 512, max_batch_time 1 ms, parallel_workers 0, no metrics, no gzip"
    paths: ClassVar[Mapping[Workload, str]] = {w: path for w, path in INFER_PATHS.items() if w not in NOT_SERVED}
    cannot: ClassVar[Mapping[Workload, str]] = dict.fromkeys(NOT_SERVED, NO_RAW_BODY)
    distributions = ("mlserver", "scikit-learn", "lightgbm", "onnxruntime")

    def command(self) -> list[str]:
        """Write the settings of server and models, and return mlserver's command line."""
        repository = self.directory / "repository"
        for workload in self.serving:
            model = {
                "name": workload.model,
                "implementation": "bench.subjects.servers.mlserver_model.Model",
                "max_batch_size": MAX_BATCH_SIZE,
                "max_batch_time": MAX_BATCH_TIME_S,
            }
            directory = repository / workload.model
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "model-settings.json").write_text(json.dumps(model), encoding="ascii")
        settings = {
            "host": "127.0.0.1",
            "http_port": self.port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "metrics_endpoint": None,
            "parallel_workers": 0,
            "debug": False,
            "gzip_enabled": False,
        }
        (repository / "settings.json").write_text(json.dumps(settings), encoding="ascii")
        return [str(self.program("mlserver")), "start", str(repository)]
