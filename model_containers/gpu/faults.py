"""What an exception says of the device: memory is short, or it is lost. By name, since no library need be there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from model_containers.gpu.errors import DeviceLostError

OUT_OF_MEMORY_STATUS: Final = 2  # cudaErrorMemoryAllocation, CUDA_ERROR_OUT_OF_MEMORY
# Errors after which every later call of the process fails, whatever it is, and those of a device that is gone (numbers
# of cudaError_t, which CUDA's driver shares).
LOST_STATUSES: Final = {
    46: "devices unavailable",
    100: "no device",
    101: "invalid device",
    201: "invalid context",
    214: "uncorrectable memory error",
    220: "uncorrectable NVLink error",
    700: "illegal address",
    702: "launch timeout",
    709: "context is destroyed",
    710: "assertion in a kernel",
    714: "hardware stack error",
    715: "illegal instruction",
    716: "misaligned address",
    717: "invalid address space",
    718: "invalid program counter",
    719: "launch failure",
    721: "contained memory error",
    802: "system not ready",
    999: "unknown error",
}
_CUDA_ERRORS: Final = ("CUDARuntimeError", "CUDADriverError")
_OUT_OF_MEMORY_NAMES: Final = ("OutOfMemoryError",)  # cupy's, torch's
# ONNX Runtime, TensorRT and PyTorch tell by message alone.
_OUT_OF_MEMORY: Final = re.compile(
    r"out of memory|cudaErrorMemoryAllocation|Failed to allocate memory|CUDA failure 2:|bad_alloc", re.IGNORECASE
)
_LOST: Final = re.compile(
    r"CUDA failure (\d+)|CUDA error: (an illegal memory access|unspecified launch failure|device-side assert|"
    r"misaligned address|an illegal instruction|uncorrectable|unknown error|all CUDA-capable devices are busy)|"
    r"cudaError(IllegalAddress|LaunchFailure|ECCUncorrectable|LaunchTimeout|MisalignedAddress|HardwareStackError)"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may succeed."""
    if isinstance(error, DeviceLostError):
        return False
    names = [kind.__name__ for kind in type(error).__mro__]
    if any(name in _OUT_OF_MEMORY_NAMES for name in names):
        return True
    if any(name in _CUDA_ERRORS for name in names):
        return getattr(error, "status", None) == OUT_OF_MEMORY_STATUS
    return isinstance(error, RuntimeError | MemoryError) and bool(_OUT_OF_MEMORY.search(str(error)))


def lost_because(error: BaseException) -> str | None:
    """Say why the device is lost; None if it is not."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if any(name in _CUDA_ERRORS for name in names):
        status = getattr(error, "status", None)
        return f"{LOST_STATUSES[status]} ({error})" if status in LOST_STATUSES else None
    if not isinstance(error, Exception) or is_out_of_memory(error):
        return None
    found = _LOST.search(str(error))
    if found is None or (found[1] and int(found[1]) not in LOST_STATUSES):
        return None
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def reraise_lost() -> Iterator[None]:
    """Turn an exception that means a lost device into ``DeviceLostError``; others pass.

    Raises
    ------
    DeviceLostError
        The device is lost.
    """
    try:
        yield
    except Exception as error:
        reason = lost_because(error)
        if reason is None:
            raise
        raise DeviceLostError(f"the CUDA device is lost: {reason}") from error
