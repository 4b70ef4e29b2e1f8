"""MLServer: a runtime that answers batches of tensors with the model of its own name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from mlserver import MLModel  # type: ignore[import-not-found, unused-ignore]
from mlserver.types import (  # type: ignore[import-not-found, unused-ignore]
    InferenceRequest,
    InferenceResponse,
    ResponseOutput,
)

from bench.subjects.servers import models

OUTPUT_TYPES = {"noop": "FP64", "text": "BYTES"}
NUMBER_TYPES = {"FP32": np.float32, "FP64": np.float64}


class Model(MLModel):  # type: ignore[misc, unused-ignore]
    """One model; MLServer has formed the batch."""

    async def load(self) -> bool:
        """Load the model."""
        self.infer = models.load(self.name, Path(os.environ["BENCH_MODELS"]))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one batch."""
        (tensor,) = payload.inputs
        data = getattr(tensor.data, "root", tensor.data)
        number_type = NUMBER_TYPES.get(tensor.datatype)
        outputs = self.infer(data if number_type is None else np.asarray(data, number_type).reshape(tensor.shape))
        datatype = OUTPUT_TYPES.get(self.name, "INT64")
        result = ResponseOutput(name="OUTPUT0", shape=[len(outputs), 1], datatype=datatype, data=outputs)
        return InferenceResponse(model_name=self.name, outputs=[result])
