"""Serves an ONNX classifier of images: bytes of a file (or an array) in, label and score out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model_containers.gpu.container import PreparedContainer
from model_containers.gpu.pipeline import pipeline_from_json
from model_containers.gpu.preprocessor import Prepared
from model_containers.gpu.resample import Array
from model_containers.image_classifier import LABELS_FILE, NETWORK_FILE, PIPELINE_FILE
from model_containers.image_classifier.network import OnnxNetwork
from model_containers.settings import ContainerSettings, SettingsError

MAX_TOP: Final = 1000


class ImageClassifierContainer(PreparedContainer):
    """Answers ``{"label": ..., "score": ...}``; with ``top`` above 1 a list of them, the most likely first."""

    _network: OnnxNetwork
    _labels: Sequence[str]
    _top: int

    def load(self, settings: ContainerSettings) -> None:
        """Open the pipeline, the network and the labels."""
        pipeline = pipeline_from_json(settings.model_file(PIPELINE_FILE).read_text(encoding="utf-8"))
        self.prepare_with(pipeline)
        network = settings.model_file(NETWORK_FILE)
        self._network = OnnxNetwork(network, pipeline, self.gpu.where_network_computes, self.gpu.network_memory_ratio)
        self._labels, self._top = _read_labels(settings)

    def infer(self, prepared: Prepared) -> list[Any]:
        """Return label and score of each row."""
        return [self._answer(scores) for scores in self._network.run(prepared)]

    def _answer(self, scores: Array) -> Any:
        best = np.argsort(-scores, kind="stable")[: self._top]
        found = [{"label": self._label(int(place)), "score": scores[place]} for place in best]
        return found if self._top > 1 else found[0]

    def _label(self, place: int) -> Any:
        return self._labels[place] if place < len(self._labels) else place


def _read_labels(settings: ContainerSettings) -> tuple[Sequence[str], int]:
    if settings.model_path is None or not (settings.model_path / LABELS_FILE).is_file():
        return (), 1
    content = json.loads((settings.model_path / LABELS_FILE).read_text(encoding="utf-8"))
    labels = content.get("labels", []) if isinstance(content, dict) else None
    top = content.get("top", 1) if isinstance(content, dict) else None
    if not isinstance(labels, list) or not isinstance(top, int) or not 1 <= top <= MAX_TOP:
        raise SettingsError(
            f'{LABELS_FILE} is {str(content)[:80]}, expected {{"labels": [...], "top": 1 to {MAX_TOP}}}'
        )
    return labels, top
