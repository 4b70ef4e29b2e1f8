"""A network of two hidden layers that is large enough to be what a server waits for: for Figure 11.

Evaluated by numpy, as Clipper and Triton serve it, and by ONNX Runtime; the weights are drawn, not learnt, and those of
the first input are zero: that one is the load generator's counter, and must not move an answer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.loadgen.request import Body

INPUTS, HIDDEN, CLASSES = 784, 1_024, 10
MAX_BATCH: Final = 512
IMAGES: Final = 16
SEED: Final = 11

Floats = npt.NDArray[np.float32]


@cache
def weights() -> tuple[Floats, Floats, Floats]:
    """Return the three matrices, (inputs, outputs) each."""
    rng = np.random.default_rng(SEED)
    shapes = ((INPUTS, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, CLASSES))
    first, second, third = (
        np.asarray(rng.normal(0, np.sqrt(2 / rows), (rows, columns)), np.float32) for rows, columns in shapes
    )
    first[0] = 0
    return first, second, third


def predict(layers: tuple[Any, ...], inputs: Any) -> Any:
    """Return the class of each input, shape (n,), int64."""
    first, second, third = layers
    hidden = np.maximum(inputs.astype(np.float32) @ first, 0)
    return np.argmax(np.maximum(hidden @ second, 0) @ third, axis=1)


@cache
def images() -> npt.NDArray[np.float64]:
    """Return the inputs that are asked, shape (IMAGES, INPUTS)."""
    return np.asarray(np.random.default_rng(SEED + 1).random((IMAGES, INPUTS)), np.float64)


def octets_around_hole() -> list[Body]:
    """Return each of the images as raw doubles of which the first is the counter's."""
    return [Body(b"", struct.pack(f"<{INPUTS - 1}d", *row[1:])) for row in images()]


def served_by_numpy() -> Callable[[Any], Any]:
    """Return the network as a function that a container can be sent: it refers to nothing of this module."""
    first, second, third = weights()

    def classes(inputs: Any) -> Any:
        import numpy

        hidden = numpy.maximum(inputs.astype(numpy.float32) @ first, 0)
        return numpy.argmax(numpy.maximum(hidden @ second, 0) @ third, axis=1)

    return classes


def served_by_onnx_runtime() -> Callable[[Any], Any]:
    """Return the same in ONNX Runtime, on one thread; the session is made by the first batch."""
    graph = onnx_model()
    sessions: list[Any] = []

    def classes(inputs: Any) -> Any:
        if not sessions:
            import onnxruntime  # type: ignore[import-untyped, unused-ignore]

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            sessions.append(onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]))
        return sessions[0].run(None, {"input": inputs})[0]

    return classes


def onnx_model() -> bytes:
    """Return the same network as an ONNX graph.

    Raises
    ------
    ModuleNotFoundError
        If `onnx` is not installed.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes, known = [helper.make_node("Cast", ["input"], ["h0"], to=TensorProto.FLOAT)], []
    for number, matrix in enumerate(weights()):
        known.append(numpy_helper.from_array(matrix, f"w{number}"))
        nodes.append(helper.make_node("MatMul", [f"h{number}", f"w{number}"], [f"m{number}"]))
        if number < 2:
            nodes.append(helper.make_node("Relu", [f"m{number}"], [f"h{number + 1}"]))
    nodes.append(helper.make_node("ArgMax", ["m2"], ["class"], axis=1, keepdims=0))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", TensorProto.DOUBLE, [None, INPUTS])],
        [helper.make_tensor_value_info("class", TensorProto.INT64, [None])],
        known,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())
