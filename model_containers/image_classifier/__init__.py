"""Classifies images: a pipeline of preprocessing and an ONNX network. Its files and how to write them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from model_containers.gpu.pipeline import Pipeline

# In CLIPPER_MODEL_PATH.
NETWORK_FILE: Final = "model.onnx"
PIPELINE_FILE: Final = "pipeline.json"
LABELS_FILE: Final = "labels.json"  # {"labels": [...], "top": how many to answer}; may be missing


@dataclass(frozen=True)
class ImageClassifier:
    """A classifier as ``deploy_model`` takes it.

    Parameters
    ----------
    network : Path
        An ONNX file with one input (batch, ...) and whose first output is (batch, classes): scores or probabilities.
    pipeline : Pipeline
        What makes the network's input of an image.
    labels : sequence of str
        Names of the classes; without, they are numbers.
    top : int
        How many classes an answer names, the most likely first.
    """

    network: Path | str
    pipeline: Pipeline
    labels: Sequence[str] = ()
    top: int = 1

    def save(self, directory: Path) -> None:
        """Write the files of the container."""
        from model_containers.gpu.pipeline import pipeline_to_json

        shutil.copyfile(self.network, directory / NETWORK_FILE)
        (directory / PIPELINE_FILE).write_text(pipeline_to_json(self.pipeline), encoding="utf-8")
        content = {"labels": list(self.labels), "top": self.top}
        (directory / LABELS_FILE).write_text(json.dumps(content), encoding="utf-8")
