"""Serve the benchmark's applications with Clipper until SIGTERM, by the public Python API alone."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from bench.subjects.servers import linear_model
from bench.workloads import LINEAR_DIMENSION, NOOP_DIMENSION
from clipper import Clipper

SLO_US = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.subjects.clipper_server", description=__doc__)
    parser.add_argument("--query-port", type=int, required=True)
    parser.add_argument("--management-port", type=int, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leaves the `with`, which stops everything
    with Clipper.start(query_port=options.query_port, management_port=options.management_port) as clipper:
        serve(clipper)
        while True:
            signal.pause()


def serve(clipper: Clipper) -> None:
    """Deploy the models and link each to an application that declares the length of its inputs."""
    linear = linear_model.load(os.environ["BENCH_LINEAR_MODEL"])
    for name, dimension in (("noop", NOOP_DIMENSION), ("linear", LINEAR_DIMENSION)):
        clipper.register_application(
            name, input_type="doubles", default_output=-1, latency_slo_us=SLO_US, shape=dimension
        )
    clipper.deploy_model("noop", version=1, container="noop", input_type="doubles")
    clipper.deploy_model("linear", version=1, model=linear, input_type="doubles")
    for name in ("noop", "linear"):
        clipper.link_model_to_app(name, name)


if __name__ == "__main__":
    main()
