"""Hand a prepared batch to a network without a copy: DLPack for PyTorch, pointers for ONNX Runtime and TensorRT.

On a device the other library works on a stream of its own. Each function sees to it that the other reads after the
kernels have written, and tells ``Prepared`` who reads, so that the memory is used again only behind that.
"""

from __future__ import annotations

import importlib
from typing import Any

from model_containers.gpu.preprocessor import Prepared


def to_torch(prepared: Prepared) -> Any:
    """Return the batch as a ``torch.Tensor`` over the same memory. No wait: PyTorch's current stream waits."""
    torch = importlib.import_module("torch")
    if prepared.stream is None:
        return torch.from_dlpack(prepared.array)
    with prepared.stream:  # DLPack orders the consumer behind cupy's current stream
        tensor = torch.from_dlpack(prepared.array)
    prepared.readers.add(torch.cuda.current_stream(tensor.device).cuda_stream)
    return tensor


def bind_onnx_input(binding: Any, name: str, prepared: Prepared) -> None:
    """Bind the batch as an input of an ``onnxruntime.IOBinding``. Waits for the kernels: ONNX Runtime has its own
    stream.

    ``run_with_iobinding`` returns when the outputs are there, so nobody reads the batch after it.
    """
    if prepared.stream is None:
        binding.bind_cpu_input(name, prepared.array)
        return
    prepared.synchronize()
    array = prepared.array
    binding.bind_input(name, "cuda", array.device.id, array.dtype.type, array.shape, array.data.ptr)


def tensorrt_address(prepared: Prepared, stream: int) -> int:
    """Return the address for ``IExecutionContext.set_tensor_address``; ``stream`` is that of ``execute_async_v3``.

    The stream, a pointer, waits for the kernels.
    """
    if prepared.stream is None:
        raise ValueError("TensorRT reads device memory, and this batch was prepared on the host")
    stream_at(importlib.import_module("cupy"), stream).wait_event(prepared.stream.record())
    prepared.readers.add(stream)
    return int(prepared.array.data.ptr)


def stream_at(cupy: Any, pointer: int) -> Any:
    """Return another library's stream, given as a pointer, as one of cupy's."""
    from_external = getattr(cupy.cuda.Stream, "from_external", None)
    return from_external(_ForeignStream(pointer)) if from_external else cupy.cuda.ExternalStream(pointer)


class _ForeignStream:
    """A stream by the protocol that CUDA's Python libraries share."""

    def __init__(self, pointer: int) -> None:
        self._pointer = pointer

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._pointer
