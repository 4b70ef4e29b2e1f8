"""An ONNX network on ONNX Runtime: on the host, or on a device where its input already is."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from model_containers.gpu.device import load_cupy
from model_containers.gpu.errors import PipelineError
from model_containers.gpu.handoff import bind_onnx_input
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import Prepared, device_number
from model_containers.gpu.resample import Array
from model_containers.settings import SettingsError

_CUDA = "CUDAExecutionProvider"
_TENSORS = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
}


class OnnxNetwork:
    """One session.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda`` or ``cuda:NUMBER``.
    memory_ratio : float
        Of the device's memory, that ONNX Runtime may hold for the network; 1 = no limit.

    Raises
    ------
    SettingsError
        ONNX Runtime is missing, or has no support for the device; says what to do.
    PipelineError
        The network takes another input than the pipeline makes.
    """

    def __init__(self, path: Path, pipeline: Pipeline, device: str, memory_ratio: float = 1.0) -> None:
        try:
            runtime = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise SettingsError(f"onnxruntime cannot be imported: {error}; pip install 'clipper[images]'") from None
        number = device_number(device)
        if number is not None and _CUDA not in runtime.get_available_providers():
            found = ", ".join(runtime.get_available_providers())
            raise SettingsError(
                f"this onnxruntime {runtime.__version__} has {found}, not {_CUDA}: install onnxruntime-gpu in its "
                "place, or set CLIPPER_GPU_NETWORK_DEVICE=cpu to only prepare on the device"
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1  # a replica is one process on one core; see `limit_blas_threads`
        providers: list[Any] = ["CPUExecutionProvider"]
        if number is not None:
            providers.insert(0, (_CUDA, {"device_id": number, **_memory_options(number, memory_ratio)}))
            if hasattr(runtime, "preload_dlls"):  # CUDA's libraries, from NVIDIA's wheels or PyTorch's
                runtime.preload_dlls()
        self._session = runtime.InferenceSession(str(path), options, providers=providers)
        if number is not None and _CUDA not in self._session.get_providers():  # it only logs that, and goes on
            raise SettingsError(f"onnxruntime cannot use the device {device}: its log says which library it misses")
        self._on_device = number is not None
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        self._check(pipeline)

    def run(self, prepared: Prepared) -> Array:
        """Return the first output, on the host."""
        if not self._on_device:
            prepared.synchronize()
            array = prepared.array.get() if prepared.stream is not None else prepared.array
            found: Array = self._session.run([self._output], {self._input: array})[0]
            return found
        binding = self._session.io_binding()
        bind_onnx_input(binding, self._input, prepared)
        binding.bind_output(self._output)
        self._session.run_with_iobinding(binding)
        return np.asarray(binding.copy_outputs_to_cpu()[0])

    def _check(self, pipeline: Pipeline) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1:
            raise PipelineError(f"the network has {len(inputs)} inputs, expected one")
        shape, dtype = inputs[0].shape, _TENSORS.get(inputs[0].type)
        made, element = pipeline.result_shape, pipeline.result_type.element.name
        fits = len(shape) == 4 and all(
            not isinstance(wanted, int) or wanted == found for wanted, found in zip(shape[1:], made, strict=True)
        )
        if not fits or dtype != element:
            raise PipelineError(
                f"the network takes {inputs[0].type} of shape {shape}, the pipeline makes {element} of shape (batch, "
                f"{', '.join(map(str, made))})"
            )
        if isinstance(shape[0], int):
            raise PipelineError(f"the network takes batches of {shape[0]} only; export it with a free first axis")
        if len(outputs[0].shape) != 2:
            raise PipelineError(f"the network's first output has shape {outputs[0].shape}, expected (batch, classes)")


def _memory_options(device: int, memory_ratio: float) -> dict[str, str]:
    """Return the provider's options that hold it to a part of the device's memory."""
    if memory_ratio == 1:
        return {}
    cupy = load_cupy(device)  # ONNX Runtime takes bytes, and does not tell how many there are
    with cupy.cuda.Device(device):
        _, total_bytes = cupy.cuda.runtime.memGetInfo()
    # Its arena doubles what it takes by default, and would reach the limit at half of it.
    return {"gpu_mem_limit": str(int(total_bytes * memory_ratio)), "arena_extend_strategy": "kSameAsRequested"}
