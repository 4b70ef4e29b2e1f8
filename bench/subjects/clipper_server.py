"""Serve the benchmark's applications with Clipper until SIGTERM, by the public Python API alone."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from bench.subjects.servers import image_model, linear_model, models, network_model, trees_model
from bench.workloads import LINEAR_DIMENSION, MIX, NOOP_DIMENSION, Workload, mixed_application
from clipper import Clipper

SLO_US = 20_000
IMAGE_SLO_US = 100_000  # the usual class of objective for pictures
# What an application declares of its inputs, by model.
APPLICATIONS: dict[str, dict[str, Any]] = {
    "noop": {"input_type": "doubles", "shape": NOOP_DIMENSION},
    "linear": {"input_type": "doubles", "shape": LINEAR_DIMENSION},
    "image": {
        "input_type": "tensor",
        "dtype": "float32",
        "shape": image_model.SHAPE,
        "latency_slo_us": IMAGE_SLO_US,
    },
    "text": {"input_type": "strings", "default_output": ""},
    "trees": {"input_type": "floats", "shape": trees_model.DIMENSION},
    "network": {"input_type": "floats", "shape": network_model.DIMENSION},
}


class ServedModel:
    """A function of a batch, as a user would write it: loads the model when it is first called, in the container."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.predict: models.Predict | None = None

    def __call__(self, inputs: Any) -> list[Any]:
        """Answer one batch."""
        if self.predict is None:
            self.predict = models.load(self.name, self.directory)
        return self.predict(inputs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.subjects.clipper_server", description=__doc__)
    parser.add_argument("--query-port", type=int, required=True)
    parser.add_argument("--management-port", type=int, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leaves the `with`, which stops everything
    with Clipper.start(query_port=options.query_port, management_port=options.management_port) as clipper:
        serve(clipper, [Workload(name) for name in models.served_names()], Path(os.environ["BENCH_MODELS"]))
        while True:
            signal.pause()


def serve(clipper: Clipper, workloads: list[Workload], directory: Path) -> None:
    """Deploy the models, and link each to an application that declares what its inputs look like."""
    for name in dict.fromkeys(workload.model for workload in workloads):
        application = {"default_output": -1, "latency_slo_us": SLO_US, **APPLICATIONS[name]}
        clipper.register_application(name, **application)
        deploy(clipper, name, directory)
        clipper.link_model_to_app(name, name)
    for part in MIX if all(part.workload in workloads for part in MIX) else ():
        application = {"default_output": -1, **APPLICATIONS[part.workload.model], "latency_slo_us": part.slo_us}
        clipper.register_application(mixed_application(part), **application)
        clipper.link_model_to_app(mixed_application(part), part.workload.model)


def deploy(clipper: Clipper, name: str, directory: Path) -> None:
    """Deploy one model with one replica."""
    input_type = APPLICATIONS[name]["input_type"]
    if name == "noop":
        clipper.deploy_model(name, version=1, container="noop", input_type=input_type)
    elif name == "linear":
        model = linear_model.load(str(directory / linear_model.FILE))
        clipper.deploy_model(name, version=1, model=model, input_type=input_type)
    else:
        sample = "a text" if input_type == "strings" else None
        model = ServedModel(name, directory)
        clipper.deploy_model(name, version=1, model=model, input_type=input_type, sample_input=sample)


if __name__ == "__main__":
    main()
