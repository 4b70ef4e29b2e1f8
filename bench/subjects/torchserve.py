"""TorchServe: its Java front end and one Python worker for each model."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.install_peers import DEBIAN_TOOLS
from bench.subjects.peer import PeerSubject
from bench.subjects.subject import REPOSITORY, Role, free_port
from bench.workloads import Workload

HANDLER_FILE = Path(__file__).with_name("servers") / "torchserve_handler.py"
MAX_BATCH_SIZE = 512
MAX_BATCH_WAIT_MS = 1
JOB_QUEUE = 1_024  # its default of 100 refuses a part of 128 connections
# The worker imports torch for tensors among the outputs and for timers on a GPU. Neither is here, and the wheel with
# its CUDA libraries is 3 GB; this is what the worker then asks of it.
TORCH_STAND_IN = """\
class Tensor: ...
class cuda:
    @staticmethod
    def is_available(): return False
"""


class TorchServe(PeerSubject):
    """One worker a model; token authorisation off, metrics to its log."""

    name = "torchserve"
    role = Role.BATCHING
    settings = (
        "batchSize 512, maxBatchDelay 1 ms, 1 worker a model, job_queue_size 1024, no token authorisation, metrics to "
        "the log; a stand-in for the module torch, which these models do not use"
    )
    start_cost_s = 8.0
    paths: ClassVar[Mapping[Workload, str]] = {workload: f"/predictions/{workload.value}" for workload in Workload}
    distributions = ("torchserve", "scikit-learn", "lightgbm", "onnxruntime")

    def missing(self) -> str | None:
        """Whether its environment and Java are there."""
        if shutil.which("java") is None:
            return f"no Java: apt-get install -y --no-install-recommends {DEBIAN_TOOLS['java']}"
        return super().missing()

    def command(self) -> list[str]:
        """Write archives and configuration, and return the server's command line."""
        store = self.directory / "store"
        store.mkdir(exist_ok=True)
        for workload in self.serving:
            write_archive(store / f"{workload.value}.mar", workload.value)
        (self.directory / "torch.py").write_text(TORCH_STAND_IN, encoding="ascii")
        config = self.directory / "config.properties"
        config.write_text(self._config(store), encoding="ascii")
        options = ["--start", "--foreground", "--ncs", "--disable-token-auth", "--ts-config", str(config)]
        return [str(self.program("torchserve")), *options, "--model-store", str(store)]

    def _config(self, store: Path) -> str:
        one = {
            "defaultVersion": True,
            "minWorkers": 1,
            "maxWorkers": 1,
            "batchSize": MAX_BATCH_SIZE,
            "maxBatchDelay": MAX_BATCH_WAIT_MS,
            "responseTimeout": 120,
        }
        models = {w.value: {"1.0": {**one, "marName": f"{w.value}.mar"}} for w in self.serving}
        lines = {
            "inference_address": f"http://127.0.0.1:{self.port}",
            "management_address": f"http://127.0.0.1:{free_port()}",
            "metrics_address": f"http://127.0.0.1:{free_port()}",
            "disable_system_metrics": "true",
            "enable_metrics_api": "false",
            "job_queue_size": str(JOB_QUEUE),
            "async_logging": "true",
            "model_store": str(store),
            "load_models": ",".join(f"{w.value}.mar" for w in self.serving),
            "models": json.dumps(models),
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def environment(self) -> dict[str, str]:
        """Let the workers find the stand-in, and put its logs and files beside ours."""
        return {
            "PYTHONPATH": f"{REPOSITORY}:{self.directory}",
            "LOG_LOCATION": str(self.directory / "logs"),
            "METRICS_LOCATION": str(self.directory / "logs"),
            "TEMP": str(self.directory),
        }


def write_archive(file: Path, name: str) -> None:
    """Write a model archive: the handler, and a manifest that names it."""
    manifest = {
        "createdOn": "01/01/2026 00:00:00",
        "runtime": "python",
        "model": {"modelName": name, "handler": HANDLER_FILE.name, "modelVersion": "1.0"},
        "archiverVersion": "0.12.0",
    }
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        archive.write(HANDLER_FILE, HANDLER_FILE.name)
