"""The example on a device: prepared there, and classified there where ONNX Runtime can."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from examples.image_classification.train import load_digits, train
from model_containers.image_classifier.container import ImageClassifierContainer
from model_containers.settings import ContainerSettings, SettingsError

pytestmark = pytest.mark.needs_gpu
PICTURES = 100


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the trained model."""
    directory = tmp_path_factory.mktemp("digits")
    train(directory / "trained.onnx").save(directory)
    return directory


def answers(files: Path, monkeypatch: pytest.MonkeyPatch, device: str, network_device: str) -> list[dict[str, float]]:
    """Return what the container answers for pictures it has not seen, and for one that is damaged."""
    monkeypatch.setenv("CLIPPER_GPU_DEVICE", device)
    monkeypatch.setenv("CLIPPER_GPU_NETWORK_DEVICE", network_device)
    monkeypatch.setenv("CLIPPER_GPU_PIECE_ITEMS", "16")
    container = ImageClassifierContainer()
    container.load(ContainerSettings(("ipc:///none",), "digits", "1", "digits:1:0", "bytes", files))
    container.warm_up()
    pictures = load_digits()[1].pictures[:PICTURES]
    outputs = container.predict_batch([*pictures, b"damaged"])
    assert "no image" in str(outputs.pop())
    return outputs


def test_classifier_that_prepares_on_a_device_answers_as_on_the_host(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = answers(files, monkeypatch, "cpu", "cpu")
    found = answers(files, monkeypatch, "cuda", "cpu")
    assert [each["label"] for each in found] == [each["label"] for each in wanted]
    np.testing.assert_allclose([each["score"] for each in found], [each["score"] for each in wanted], atol=0.02)


def test_classifier_that_is_on_a_device_throughout_answers_as_on_the_host(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "CUDAExecutionProvider" not in importlib.import_module("onnxruntime").get_available_providers():
        with pytest.raises(SettingsError, match="install onnxruntime-gpu"):
            answers(files, monkeypatch, "cuda", "cuda")
        pytest.skip("this ONNX Runtime knows no CUDA device")
    wanted = answers(files, monkeypatch, "cpu", "cpu")
    found = answers(files, monkeypatch, "cuda", "cuda")
    assert [each["label"] for each in found] == [each["label"] for each in wanted]
    np.testing.assert_allclose([each["score"] for each in found], [each["score"] for each in wanted], atol=0.03)
