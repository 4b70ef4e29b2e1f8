"""NETWORK: a small ONNX network, 64 -> 256 -> 256 -> 10 with ReLU, on 64 numbers (about 450 bytes as JSON)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.subjects.servers import network_model
from bench.zoo.questions import BASE_INPUTS, SEED, Questions, number_arrays

WIDTHS = (network_model.DIMENSION, 256, 256, 10)
OPSET = 13
IR_VERSION = 8  # what every onnxruntime of the last years reads


@cache
def _layers() -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    """Weights and biases drawn at random, which cost what trained ones cost; those of the counter's number are zero."""
    random = np.random.default_rng(SEED)
    layers = []
    for width, following in zip(WIDTHS[:-1], WIDTHS[1:], strict=True):
        weights = random.normal(0, np.sqrt(2 / width), (width, following)).astype(np.float32)
        layers.append((weights, random.normal(0, 0.1, following).astype(np.float32)))
    layers[0][0][0] = 0
    return tuple(layers)


def save(directory: Path) -> None:
    """Write what bench/subjects/servers/network_model.py reads."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    nodes, constants, value = [], [], network_model.INPUT
    for number, (weights, biases) in enumerate(_layers()):
        is_last = number == len(_layers()) - 1
        following = network_model.OUTPUT if is_last else f"hidden{number}"
        summed = following if is_last else f"summed{number}"
        constants += [numpy_helper.from_array(weights, f"w{number}"), numpy_helper.from_array(biases, f"b{number}")]
        nodes.append(helper.make_node("Gemm", [value, f"w{number}", f"b{number}"], [summed]))
        if not is_last:
            nodes.append(helper.make_node("Relu", [summed], [following]))
        value = following
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(network_model.INPUT, TensorProto.FLOAT, ["batch", WIDTHS[0]])],
        [helper.make_tensor_value_info(network_model.OUTPUT, TensorProto.FLOAT, ["batch", WIDTHS[-1]])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    save_model(model, str(directory / network_model.FILE))


@cache
def questions() -> Questions:
    """Return inputs whose best class is ahead by more than single precision can lose."""
    numbers = np.round(np.random.default_rng(SEED + 1).normal(size=(20 * BASE_INPUTS, WIDTHS[0])), 4)
    scores = numbers
    for number, (weights, biases) in enumerate(_layers()):
        scores = scores @ weights.astype(np.float64) + biases
        scores = scores if number == len(_layers()) - 1 else np.maximum(scores, 0)
    ordered = np.sort(scores, axis=1)
    certain = np.flatnonzero(ordered[:, -1] - ordered[:, -2] > 0.1)[:BASE_INPUTS]
    answers = tuple(int(label) for label in scores[certain].argmax(axis=1))
    return Questions(number_arrays(numbers[certain], digits=4), answers)
