"""Train a small network on scikit-learn's handwritten digits and write it as ONNX: a few seconds, no framework.

The filters are the principal components of 3 x 3 patches, which needs no gradient; a logistic regression reads what
they find. About 97% of the digits that it has not seen are right, whatever size the pictures have.
"""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from model_containers.gpu import DecodeImage, Normalize, Pipeline, Resize, ToChannelsFirst, make_preprocessor
from model_containers.image_classifier import ImageClassifier

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

SIDE: Final = 16
POOL: Final = 4
FILTERS: Final = 8
HELD_BACK: Final = 3  # one picture of so many is for testing
OPSET: Final = 17  # ONNX Runtime since 1.12

PIPELINE: Final = Pipeline(
    DecodeImage(mode="L"), [Resize(SIDE, SIDE, filter="area"), Normalize((0.3,), (0.35,)), ToChannelsFirst()]
)


class Digits(NamedTuple):
    """Pictures as PNG files of different sizes, and what they show."""

    pictures: list[bytes]
    labels: list[str]


def load_digits() -> tuple[Digits, Digits]:
    """Return the digits to train with, and those to test with."""
    found = importlib.import_module("sklearn.datasets").load_digits()
    pictures = [_png(image, 24 + 8 * (number % 6)) for number, image in enumerate(found.images)]
    labels = [str(label) for label in found.target]
    places = range(len(pictures))
    parts = ([at for at in places if at % HELD_BACK], [at for at in places if at % HELD_BACK == 0])
    training, unseen = (Digits([pictures[at] for at in part], [labels[at] for at in part]) for part in parts)
    return training, unseen


def _png(image: Array, side: int) -> bytes:
    picture = importlib.import_module("PIL.Image").fromarray((image * (255 / 16)).astype(np.uint8))
    buffer = io.BytesIO()
    picture.resize((side, side + 5)).save(buffer, "PNG")
    return buffer.getvalue()


def train(network: Path) -> ImageClassifier:
    """Train, write the network, and return what ``deploy_model`` takes."""
    training, _ = load_digits()
    images = make_preprocessor(PIPELINE).prepare(training.pictures).array
    filters = _principal_components(images)
    features = _pooled(images, filters)
    regression = importlib.import_module("sklearn.linear_model").LogisticRegression(C=0.2, max_iter=300)
    regression.fit(features, training.labels)
    _write(network, filters, regression.coef_, regression.intercept_)
    return ImageClassifier(network, PIPELINE, labels=list(regression.classes_))


def _principal_components(images: Array) -> Array:
    """Return filters (FILTERS, 1, 3, 3): half of them components of patches, half their negatives."""
    patches = _patches(images).reshape(-1, 9)
    patches = patches[:: max(1, len(patches) // 50_000)]
    values, vectors = np.linalg.eigh(np.cov(patches.T))
    best = vectors[:, np.argsort(-values)[: FILTERS // 2]].T
    return np.concatenate([best, -best]).reshape(FILTERS, 1, 3, 3).astype(np.float32)


def _patches(images: Array) -> Array:
    padded = np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))


def _pooled(images: Array, filters: Array) -> Array:
    """Return what the first layers of the network compute: convolution, ReLU, mean of squares of POOL pixels."""
    found = np.maximum(np.einsum("nyxij,fij->nfyx", _patches(images), filters[:, 0]), 0)
    n, pooled = SIDE // POOL, found.reshape(len(images), FILTERS, SIDE // POOL, POOL, SIDE // POOL, POOL)
    return np.asarray(pooled.mean(axis=(3, 5)).reshape(len(images), FILTERS * n * n), np.float32)


def _write(network: Path, filters: Array, coefficients: Array, intercept: Array) -> None:
    onnx = importlib.import_module("onnx")
    helper, kinds = importlib.import_module("onnx.helper"), onnx.TensorProto
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["found"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["found"], ["positive"]),
        helper.make_node("AveragePool", ["positive"], ["pooled"], kernel_shape=[POOL, POOL], strides=[POOL, POOL]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "coefficients", "intercept"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
    ]
    constants = {"filters": filters, "coefficients": coefficients, "intercept": intercept}
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", kinds.FLOAT, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("probabilities", kinds.FLOAT, ["batch", len(intercept)])],
        [_constant(name, values) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(network))


def _constant(name: str, values: Array) -> Any:
    return importlib.import_module("onnx.numpy_helper").from_array(values.astype(np.float32), name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write the files of the container into a directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="for clipper deploy NAME VERSION DIRECTORY")
    options = parser.parse_args(arguments)
    options.directory.mkdir(parents=True, exist_ok=True)
    train(options.directory / "trained.onnx").save(options.directory)
    (options.directory / "trained.onnx").unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
