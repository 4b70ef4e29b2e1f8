"""Triton Inference Server on CPU: the binary and the Python backend of the nvidia-pytriton wheel."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.install_peers import PEERS_DIR
from bench.loadgen.request import RequestTemplate
from bench.subjects.open_inference import CLASS_OUTPUT, INFER_PATHS, OUTPUTS, TENSORS, OpenInferenceSubject
from bench.subjects.subject import REPOSITORY, Role
from bench.traffic import Traffic
from bench.workloads import Workload

MODEL_FILE = Path(__file__).with_name("servers") / "triton_model.py"
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
CACHED_SUFFIX = "-cached"
CACHE_BYTES = 32 << 20  # as much as Clipper's cache has
MODEL_CONFIG = """\
backend: "python"
max_batch_size: 512
input [ {{ name: "INPUT0" data_type: {input_type} dims: {shape} }} ]
output [ {{ name: "OUTPUT0" data_type: {output_type} dims: [ 1 ] }} ]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
dynamic_batching {{ max_queue_delay_microseconds: 0 }}
response_cache {{ enable: {is_cached} }}
"""


class Triton(OpenInferenceSubject):
    """HTTP front end with its default of eight threads; gRPC and metrics off."""

    name = "triton"
    role = Role.BATCHING
    settings = (
        "Python backend, max_batch_size 512, max_queue_delay_microseconds 0, 1 instance, 8 HTTP threads; "
        "its response cache (32 MiB) in the rows of inputs that come again"
    )
    start_cost_s = 8.0
    paths: ClassVar[Mapping[Workload, str]] = INFER_PATHS
    distributions = ("nvidia-pytriton", "scikit-learn", "lightgbm", "onnxruntime")

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
        shutil.rmtree(models, ignore_errors=True)
        for name in dict.fromkeys(workload.model for workload in self.serving):
            self._write_model(models, name, is_cached=False)
            if name == Workload.TREES.model:
                self._write_model(models, name, is_cached=True)
        return [
            str(wheel / "bin" / "tritonserver"),
            f"--model-repository={models}",
            f"--backend-directory={backends}",
            f"--cache-directory={wheel / 'caches'}",
            f"--cache-config=local,size={CACHE_BYTES}",
            "--http-address=127.0.0.1",
            f"--http-port={self.port}",
            "--allow-grpc=false",
            "--allow-metrics=false",
            "--log-info=false",
        ]

    @staticmethod
    def _write_model(models: Path, name: str, is_cached: bool) -> None:
        version = models / (name + CACHED_SUFFIX if is_cached else name) / "1"
        version.mkdir(parents=True)
        datatype, shape = TENSORS[name]
        config = MODEL_CONFIG.format(
            input_type=_config_type(datatype),
            shape=list(shape),
            output_type=_config_type(OUTPUTS.get(name, CLASS_OUTPUT)),
            is_cached=str(is_cached).lower(),
        )
        (version.parent / "config.pbtxt").write_text(config, encoding="ascii")
        shutil.copy(MODEL_FILE, version / "model.py")

    def environment(self) -> dict[str, str]:
        """Let the stub find libpython and, as the first Python on the PATH, the environment with its packages."""
        libraries = [str(self.packages() / "nvidia_pytriton.libs"), str(sysconfig.get_config_var("LIBDIR"))]
        return {
            "LD_LIBRARY_PATH": ":".join(libraries),
            "PATH": f"{self.program('python').parent}:{os.environ.get('PATH', '')}",
            "BENCH_REPOSITORY": str(REPOSITORY),
        }

    def requests(self, workload: Workload, traffic: Traffic) -> RequestTemplate | None:
        """Ask the model whose answers are cached where inputs come again."""
        template = super().requests(workload, traffic)
        if template is None or traffic not in (Traffic.ZIPF, Traffic.DUPLICATES):
            return template
        name = workload.model
        return dataclasses.replace(template, path=template.path.replace(f"/{name}/", f"/{name}{CACHED_SUFFIX}/"))


def _config_type(datatype: str) -> str:
    """Return the name that a model's configuration has for a data type of the protocol."""
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"
