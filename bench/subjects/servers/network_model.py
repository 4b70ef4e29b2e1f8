"""The NETWORK model as every subject serves it: ONNX Runtime on one thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILE = "network.onnx"
DIMENSION = 64
INPUT, OUTPUT = "input", "scores"


def load(directory: Path) -> Callable[[Any], list[Any]]:
    """Return the model: numbers, shape (batch, 64), to a list of class numbers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(directory / FILE), options, providers=["CPUExecutionProvider"])

    def predict(numbers: Any) -> list[Any]:
        (scores,) = session.run([OUTPUT], {INPUT: np.asarray(numbers, np.float32)})
        labels: list[Any] = scores.argmax(axis=1).tolist()
        return labels

    return predict
