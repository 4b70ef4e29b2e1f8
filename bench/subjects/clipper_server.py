"""Serve the benchmark's three applications with Clipper until SIGTERM, by the public Python API alone."""

from __future__ import annotations

import argparse
import os
import signal
import sys

import numpy as np
from numpy.typing import NDArray

from bench.subjects.servers import linear_model
from bench.workloads import LINEAR_DIMENSION
from clipper import Clipper

SLO_US = 20_000


def first_of_each(inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Answer NOOP: the first number of each input of the batch."""
    return inputs[:, 0]


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
    """Deploy the models and link each to an application of its own."""
    linear = linear_model.load(os.environ["BENCH_LINEAR_MODEL"])
    clipper.register_application("noop", input_type="doubles", default_output=-1, latency_slo_us=SLO_US)
    clipper.deploy_model("noop", version=1, model=first_of_each, input_type="doubles")
    clipper.link_model_to_app("noop", "noop")
    clipper.register_application("linear", input_type="doubles", default_output=-1, latency_slo_us=SLO_US)
    clipper.deploy_model("linear", version=1, model=linear, input_type="doubles")
    clipper.link_model_to_app("linear", "linear")
    shape = {"dtype": "float64", "shape": [LINEAR_DIMENSION]}
    clipper.register_application(
        "linear-binary", input_type="tensor", default_output=-1, latency_slo_us=SLO_US, **shape
    )
    clipper.deploy_model("linear-binary", version=1, model=linear, input_type="tensor")
    clipper.link_model_to_app("linear-binary", "linear-binary")


if __name__ == "__main__":
    main()
