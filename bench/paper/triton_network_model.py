"""Triton's Python backend: the class of each input of the batch, by the network of Figure 11."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found, unused-ignore]


class TritonPythonModel:
    """One instance; Triton has formed the batch, each request of which is an array (n, 784)."""

    def initialize(self, args: dict[str, str]) -> None:
        """Make the weights; Triton's stub runs Python isolated, so PYTHONPATH is not looked at."""
        sys.path.append(os.environ["BENCH_REPOSITORY"])
        from bench.paper import small_network

        self.network, self.layers = small_network, small_network.weights()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer one batch."""
        inputs = [pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        classes = self.network.predict(self.layers, np.concatenate(inputs)).reshape(-1, 1)
        responses, start = [], 0
        for rows in inputs:
            tensor = pb_utils.Tensor("OUTPUT0", classes[start : start + len(rows)])
            responses.append(pb_utils.InferenceResponse([tensor]))
            start += len(rows)
        return responses
