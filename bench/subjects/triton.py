"""Triton Inference Server on CPU: the binary and the Python backend of the nvidia-pytriton wheel."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from bench.install_peers import PEERS_DIR
from bench.loadgen.request import CounterForm, RequestTemplate
from bench.subjects.peer import PeerSubject
from bench.subjects.subject import REPOSITORY, Role
from bench.workloads import (
    LINEAR_DIMENSION,
    NOOP_DIMENSION,
    Workload,
    json_template,
    noop_array_around_hole,
    wrap,
)

SERVERS = Path(__file__).with_name("servers")
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
MODEL_CONFIG = """\
backend: "python"
max_batch_size: 512
input [ {{ name: "INPUT0" data_type: TYPE_FP64 dims: [ {dimension} ] }} ]
output [ {{ name: "OUTPUT0" data_type: {output_type} dims: [ 1 ] }} ]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
dynamic_batching {{ max_queue_delay_microseconds: 0 }}
"""


class Triton(PeerSubject):
    """HTTP front end with its default of eight threads; gRPC and metrics off."""

    name = "triton"
    role = Role.BATCHING
    settings = "Python backend, max_batch_size 512, max_queue_delay_microseconds 0, 1 instance, 8 HTTP threads"
    paths: ClassVar[Mapping[Workload, str]] = {
        Workload.NOOP: "/v2/models/noop/infer",
        Workload.LINEAR: "/v2/models/linear/infer",
        Workload.LINEAR_BINARY: "/v2/models/linear/infer",
    }
    distributions = ("nvidia-pytriton", "scikit-learn")

    def packages(self) -> Path:
        """Return the site-packages of its environment."""
        return PEERS_DIR / self.name / "lib" / f"python{PYTHON_VERSION}" / "site-packages"

    def command(self) -> list[str]:
        """Lay out the model repository and the backend, then return the server's command line."""
        wheel = self.packages() / "pytriton" / "tritonserver"
        backends = self.directory / "backends"
        shutil.copytree(wheel / "backends", backends, dirs_exist_ok=True)
        # The stub runs the models; the wheel has one for each version of Python and Triton looks for one.
        shutil.copy(wheel / "python_backend_stubs" / PYTHON_VERSION / "triton_python_backend_stub", backends / "python")
        models = self.directory / "models"
        self._write_model(models, "noop", NOOP_DIMENSION, "TYPE_FP64")
        self._write_model(models, "linear", LINEAR_DIMENSION, "TYPE_INT64")
        return [
            str(wheel / "bin" / "tritonserver"),
            f"--model-repository={models}",
            f"--backend-directory={backends}",
            "--http-address=127.0.0.1",
            f"--http-port={self.port}",
            "--allow-grpc=false",
            "--allow-metrics=false",
            "--log-info=false",
        ]

    @staticmethod
    def _write_model(models: Path, name: str, dimension: int, output_type: str) -> None:
        version = models / name / "1"
        version.mkdir(parents=True, exist_ok=True)
        config = MODEL_CONFIG.format(dimension=dimension, output_type=output_type)
        (models / name / "config.pbtxt").write_text(config, encoding="ascii")
        shutil.copy(SERVERS / f"triton_{name}.py", version / "model.py")

    def environment(self) -> dict[str, str]:
        """Let the stub find libpython and, as the first Python on the PATH, the environment with its packages."""
        libraries = [str(self.packages() / "nvidia_pytriton.libs"), str(sysconfig.get_config_var("LIBDIR"))]
        return {
            "LD_LIBRARY_PATH": ":".join(libraries),
            "PATH": f"{self.program('python').parent}:{os.environ.get('PATH', '')}",
            "BENCH_REPOSITORY": str(REPOSITORY),
        }

    def template(self, workload: Workload) -> RequestTemplate | None:
        """Return Open Inference Protocol requests: JSON tensors, or its binary tensor data extension."""
        path = self.paths[workload]
        if workload is Workload.LINEAR_BINARY:
            return self._binary_template(path)
        dimension = NOOP_DIMENSION if workload is Workload.NOOP else LINEAR_DIMENSION
        arrays = noop_array_around_hole() if workload is Workload.NOOP else self.site.model.array_around_hole()
        before = f'{{"inputs":[{{"name":"INPUT0","shape":[1,{dimension}],"datatype":"FP64","data":'
        return json_template(path, wrap(arrays, before.encode("ascii"), b"}]}"))

    def _binary_template(self, path: str) -> RequestTemplate:
        tensor = {
            "name": "INPUT0",
            "shape": [1, LINEAR_DIMENSION],
            "datatype": "FP64",
            "parameters": {"binary_data_size": LINEAR_DIMENSION * 8},
        }
        header = json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode("ascii")
        headers = (
            ("Content-Type", "application/octet-stream"),
            ("Inference-Header-Content-Length", str(len(header))),
        )
        bodies = wrap(self.site.model.bytes_around_hole(), header, b"")
        return RequestTemplate(path, headers, bodies, CounterForm.DOUBLE)

    def output_of(self, workload: Workload, answer: bytes) -> Any:
        """Return the one number of the output tensor."""
        return json.loads(answer)["outputs"][0]["data"][0]
