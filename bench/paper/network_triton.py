"""The Triton of the harness with another model: a network of two hidden layers, in numpy, as Clipper has it."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from bench.loadgen.request import Body, CounterForm, RequestTemplate
from bench.paper import small_network
from bench.subjects.subject import START_LIMIT_S, SubjectError
from bench.subjects.triton import PYTHON_VERSION, Triton
from bench.workloads import Workload

NAME: Final = "network"
PATH: Final = f"/v2/models/{NAME}/infer"
CONFIG: Final = f"""\
backend: "python"
max_batch_size: {{batch}}
input [ {{{{ name: "INPUT0" data_type: TYPE_FP64 dims: [ {small_network.INPUTS} ] }}}} ]
output [ {{{{ name: "OUTPUT0" data_type: TYPE_INT64 dims: [ 1 ] }}}} ]
instance_group [ {{{{ count: 1 kind: KIND_CPU }}}} ]
dynamic_batching {{{{ max_queue_delay_microseconds: 0 }}}}
"""


class NetworkTriton(Triton):
    """Everything else is as the harness sets it: 8 HTTP threads, one instance, batches of at most 512, no delay."""

    paths: ClassVar[Mapping[Workload, str]] = {}  # none of the comparison's models is loaded

    def command(self) -> list[str]:
        """Lay out the backend and a repository of this one model, then return the server's command line."""
        wheel = self.packages() / "pytriton" / "tritonserver"
        backends, version = self.directory / "backends", self.directory / "models" / NAME / "1"
        shutil.copytree(wheel / "backends", backends, dirs_exist_ok=True)
        stub = wheel / "python_backend_stubs" / PYTHON_VERSION / "triton_python_backend_stub"
        shutil.copy(stub, backends / "python")
        version.mkdir(parents=True, exist_ok=True)
        config = CONFIG.format(batch=small_network.MAX_BATCH)
        (version.parent / "config.pbtxt").write_text(config, encoding="ascii")
        shutil.copy(Path(__file__).with_name("triton_network_model.py"), version / "model.py")
        return [
            str(wheel / "bin" / "tritonserver"),
            f"--model-repository={version.parents[1]}",
            f"--backend-directory={backends}",
            "--http-address=127.0.0.1",
            f"--http-port={self.port}",
            "--allow-grpc=false",
            "--allow-metrics=false",
            "--log-info=false",
        ]

    def wait_network(self) -> None:
        """Wait until the server answers for the network.

        Raises
        ------
        SubjectError
            It does not, or has died.
        """
        until_s = time.monotonic() + START_LIMIT_S
        while not self._is_network_ready():
            if not self.is_running() or time.monotonic() > until_s:
                raise SubjectError(f"triton does not serve {NAME}; its log ends: {self.log_tail()}")
            time.sleep(0.1)

    def _is_network_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/v2/models/{NAME}/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def network_template(self) -> RequestTemplate:
        """Return requests with the raw doubles, by the protocol's binary tensor extension."""
        tensor = {
            "name": "INPUT0",
            "shape": [1, small_network.INPUTS],
            "datatype": "FP64",
            "parameters": {"binary_data_size": small_network.INPUTS * 8},
        }
        head = json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode("ascii")
        headers = (
            ("Content-Type", "application/octet-stream"),
            ("Inference-Header-Content-Length", str(len(head))),
        )
        bodies = [Body(head + body.before, body.after) for body in small_network.octets_around_hole()]
        return RequestTemplate(PATH, headers, tuple(bodies), CounterForm.DOUBLE)
