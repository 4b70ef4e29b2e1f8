"""Requests and answers of the Open Inference Protocol, version 2, which several servers speak."""

from __future__ import annotations

import json
from typing import Any

from bench.loadgen.request import RequestTemplate
from bench.subjects.peer import PeerSubject
from bench.subjects.servers import image_model, network_model, trees_model
from bench.workloads import (
    BINARY_FORMS,
    LINEAR_DIMENSION,
    NOOP_DIMENSION,
    Workload,
    inputs_around_hole,
    json_template,
    wrap,
)

# Data type and shape of one input, by model.
TENSORS: dict[str, tuple[str, tuple[int, ...]]] = {
    "noop": ("FP64", (NOOP_DIMENSION,)),
    "linear": ("FP64", (LINEAR_DIMENSION,)),
    "image": ("FP32", image_model.SHAPE),
    "text": ("BYTES", (1,)),
    "trees": ("FP32", (trees_model.DIMENSION,)),
    "network": ("FP32", (network_model.DIMENSION,)),
}
OUTPUTS = {"noop": "FP64", "text": "BYTES"}  # the others answer the number of a class
CLASS_OUTPUT = "INT64"
INFER_PATHS = {workload: f"/v2/models/{workload.model}/infer" for workload in Workload}


class OpenInferenceSubject(PeerSubject):
    """Asks with JSON tensors, and with the binary tensor data extension where the workload is binary."""

    def template(self, workload: Workload) -> RequestTemplate | None:
        """Return requests of one input."""
        path = self.paths.get(workload)
        if path is None:
            return None
        datatype, shape = TENSORS[workload.model]
        tensor: dict[str, Any] = {"name": "INPUT0", "shape": [1, *shape], "datatype": datatype}
        inputs = inputs_around_hole(workload, self.site.model)
        if workload.is_binary:
            tensor["parameters"] = {"binary_data_size": len(inputs[0].before) + len(inputs[0].after) + 8}
            header = json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode("ascii")
            headers = (
                ("Content-Type", "application/octet-stream"),
                ("Inference-Header-Content-Length", str(len(header))),
            )
            return RequestTemplate(path, headers, wrap(inputs, header, b""), BINARY_FORMS[workload])
        before = json.dumps(tensor, separators=(",", ":")).removesuffix("}").encode("ascii")
        if workload is Workload.TEXT:
            inputs = wrap(inputs, b"[", b"]")
        return json_template(path, wrap(inputs, b'{"inputs":[' + before + b',"data":', b"}]}"))

    def output_of(self, workload: Workload, answer: bytes) -> Any:
        """Return the one element of the output tensor."""
        return json.loads(answer)["outputs"][0]["data"][0]
