"""As much of cupy as preprocessing uses, on host memory: kernels are compiled as C++ and run when they are launched.

It has no clock and no order to get wrong: what needs a device to be shown (that copies overlap, that readers are waited
for) the device tests show. Memory can be short, and the device can be lost.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.support.kernel_on_cpu import compiled_function

ILLEGAL_ADDRESS = 700
MISALIGNED_ADDRESS = 716
WIDEST_ACCESS_BYTES = 8  # of any pointer that a kernel is given; a processor would not mind, a device does


class OutOfMemoryError(MemoryError):
    """As cupy's: a name is all that tells it."""


class CUDARuntimeError(RuntimeError):
    """As cupy's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"cuda error {status}")
        self.status = status


class FakeArray(np.ndarray[Any, np.dtype[Any]]):
    """An array that has its address where cupy's have it."""

    @property
    def data(self) -> Any:  # numpy's is a memoryview
        return _Memory(self)

    def get(self) -> np.ndarray[Any, np.dtype[Any]]:
        """Return a copy on the host."""
        return np.array(self)


class _Memory:
    def __init__(self, array: FakeArray) -> None:
        self.ptr = int(array.ctypes.data)

    def copy_from_host_async(self, source: int, size_bytes: int, _stream: Any) -> None:
        ctypes.memmove(self.ptr, source, size_bytes)


class FakeStream:
    """Everything on it has happened already."""

    ptr = 1

    def __init__(self, fake: FakeCupy) -> None:
        self._fake = fake
        self.waits: list[Any] = []

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def synchronize(self) -> None:
        self._fake.check()

    def record(self) -> object:
        return object()

    def wait_event(self, event: Any) -> None:
        self.waits.append(event)


class FakeCupy:
    """Stands in for the module.

    Attributes
    ----------
    limit_bytes : int
        More at a time cannot be had.
    is_lost : bool
        Whatever is asked of the device fails.
    """

    def __init__(self, device_count: int = 1) -> None:
        self.limit_bytes = 1 << 40
        self.is_lost = False
        self.total_bytes = 80 << 30
        self.pool_ratio: float | None = None  # that the pool of device memory is held to
        self.launches: list[tuple[int, int]] = []
        self.pinned_bytes: list[int] = []
        self.device_count = device_count
        self.cuda = _Cuda(self)

    def check(self) -> None:
        """Fail if the device is lost."""
        if self.is_lost:
            raise CUDARuntimeError(ILLEGAL_ADDRESS)

    def empty(self, shape: int | Sequence[int], dtype: Any) -> FakeArray:
        self.check()
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size > self.limit_bytes:
            raise OutOfMemoryError(f"{size} bytes")
        return np.full(shape, 0x55, dtype).view(FakeArray)

    def RawKernel(self, source: str, name: str, options: Sequence[str]) -> Any:  # noqa: N802 - cupy's name
        function = compiled_function(source, name)

        def launch(grid: tuple[int, ...], _block: tuple[int, ...], arguments: Sequence[Any]) -> None:
            self.check()
            if any(isinstance(argument, np.uint64) and argument % WIDEST_ACCESS_BYTES for argument in arguments):
                raise CUDARuntimeError(MISALIGNED_ADDRESS)
            self.launches.append((grid[0], grid[1] if len(grid) > 1 else 1))
            function(*(_as_c(argument) for argument in arguments))

        return launch

    def get_default_memory_pool(self) -> Any:
        return _Pool(self)

    get_default_pinned_memory_pool = get_default_memory_pool


class _Pool:
    def __init__(self, fake: FakeCupy) -> None:
        self._fake = fake

    def free_all_blocks(self) -> None:
        return

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self._fake.pool_ratio = fraction


class _Cuda:
    def __init__(self, fake: FakeCupy) -> None:
        self._fake = fake
        self.runtime = self
        self.CUDARuntimeError = CUDARuntimeError
        self.Stream = lambda **_: FakeStream(fake)
        self.ExternalStream = lambda _: FakeStream(fake)
        self.Event = lambda **_: _Event()

        self.Device = lambda _number=0: contextlib.nullcontext()  # may be entered again and again

    def getDeviceCount(self) -> int:  # noqa: N802
        if self._fake.device_count == 0:
            raise CUDARuntimeError(100)
        return self._fake.device_count

    def memGetInfo(self) -> tuple[int, int]:  # noqa: N802
        return self._fake.total_bytes // 2, self._fake.total_bytes

    def alloc_pinned_memory(self, size_bytes: int) -> bytearray:
        self._fake.pinned_bytes.append(size_bytes)
        return bytearray(size_bytes)


class _Event:
    def record(self, _stream: Any) -> None:
        return

    def synchronize(self) -> None:
        return


def _as_c(argument: Any) -> Any:
    if isinstance(argument, FakeArray):
        return ctypes.c_void_p(argument.data.ptr)
    return {np.uint64: ctypes.c_uint64, np.int64: ctypes.c_int64, np.int32: ctypes.c_int32}[type(argument)](
        int(argument)
    )
