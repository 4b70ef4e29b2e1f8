"""Serve a classifier of pictures: ``python -m examples.image_classification.serve``, on a device with ``--gpu``.

Trains the network of ``train.py``, deploys it with its preprocessing, sends it pictures it has not seen, in many sizes,
some of them damaged, and says how many it got right.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipper import Clipper
from examples.image_classification.train import Digits, load_digits, train

QUERIES = 200
BATCH = 20
SLO_US = 500_000


def serve(deployment: Mapping[str, Any], query_count: int = QUERIES) -> tuple[int, int, list[str]]:
    """Deploy with these arguments, and ask.

    Returns how many pictures were right, how many were sent, and what was said of two that are damaged.
    """
    _, unseen = load_digits()
    with tempfile.TemporaryDirectory() as directory, Clipper.start(query_port=0, management_port=0) as clipper:
        classifier = train(Path(directory) / "digits.onnx")
        clipper.register_application(
            "digits", input_type="bytes", default_output=None, latency_slo_us=SLO_US, on_miss="error"
        )
        clipper.deploy_model("digits", 1, classifier, input_type="bytes", **deployment)
        clipper.link_model_to_app("digits", "digits")
        right = count_right(clipper, Digits(unseen.pictures[:query_count], unseen.labels[:query_count]))
        damaged = clipper.predict_batch("digits", [unseen.pictures[0][:100], b""])
        return right, query_count, [each.cause or "" for each in damaged]


def count_right(clipper: Clipper, digits: Digits) -> int:
    """Ask for the pictures in batches, and count the answers that are right."""
    right = 0
    for begin in range(0, len(digits.pictures), BATCH):
        answers = clipper.predict_batch("digits", digits.pictures[begin : begin + BATCH])
        labels = digits.labels[begin : begin + BATCH]
        right += sum(each.output["label"] == label for each, label in zip(answers, labels, strict=True))
    return right


def deployment_of(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what ``deploy_model`` is given besides for a command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", action="store_true", help="prepare and classify on a CUDA device")
    parser.add_argument("--network-on-cpu", action="store_true", help="with --gpu: only prepare on the device")
    options = parser.parse_args(arguments)
    environment = {"CLIPPER_GPU_NETWORK_DEVICE": "cpu"} if options.network_on_cpu else {}
    return {"gpus": 1 if options.gpu else 0, "environment": environment}


def main() -> int:
    """Serve, and print what came of it."""
    right, sent, damaged = serve(deployment_of())
    sys.stdout.write(f"{right} of {sent} pictures are right\n")
    for cause in damaged:
        sys.stdout.write(f"a damaged one: {cause}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
