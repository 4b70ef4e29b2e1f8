"""Triton's Python backend: the same file for each model, which asks by its own name for what it is to be."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found, unused-ignore]


class TritonPythonModel:
    """One instance; Triton has formed the batch, each request of which is an array (n, ...)."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model; Triton's stub runs Python isolated, so PYTHONPATH is not looked at."""
        sys.path.append(os.environ["BENCH_REPOSITORY"])
        from bench.subjects.servers import models

        name = args["model_name"].removesuffix("-cached")
        self.is_text = name == "text"
        self.output_type = {"noop": np.float64, "text": np.object_}.get(name, np.int64)
        self.predict = models.load(name, Path(os.environ["BENCH_MODELS"]))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer one batch."""
        arrays = [pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        inputs = np.concatenate(arrays)
        outputs: Any
        if self.is_text:
            labels = self.predict([text.decode() for text in inputs[:, 0]])
            outputs = np.array([label.encode() for label in labels], self.output_type)
        else:
            outputs = np.asarray(self.predict(inputs), self.output_type)
        responses, start = [], 0
        for rows in arrays:
            tensor = pb_utils.Tensor("OUTPUT0", outputs[start : start + len(rows)].reshape(-1, 1))
            responses.append(pb_utils.InferenceResponse([tensor]))
            start += len(rows)
        return responses
