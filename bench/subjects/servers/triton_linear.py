"""Triton's Python backend: the class of each input of the batch."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found, unused-ignore]


class TritonPythonModel:
    """One instance; Triton has formed the batch, each request of which is an array (n, 784)."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model; Triton's stub runs Python isolated, so PYTHONPATH is not looked at."""
        sys.path.append(os.environ["BENCH_REPOSITORY"])
        from bench.subjects.servers import linear_model

        self.model = linear_model.load(os.environ["BENCH_LINEAR_MODEL"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer one batch."""
        inputs = [pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        labels = self.model.predict(np.concatenate(inputs)).reshape(-1, 1).astype(np.int64)
        responses, start = [], 0
        for rows in inputs:
            tensor = pb_utils.Tensor("OUTPUT0", labels[start : start + len(rows)])
            responses.append(pb_utils.InferenceResponse([tensor]))
            start += len(rows)
        return responses
