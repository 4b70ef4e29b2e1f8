"""Pinned host memory for what goes to the device: taken once, used again and again.

A copy from pinned memory is a plain DMA transfer that runs beside kernels; from other memory the driver copies in
pieces through a buffer of its own, and the call waits. Pinning costs about 0.3 ms a megabyte, hence the pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from model_containers.gpu.resample import Array

SMALLEST_BYTES: Final = 1 << 16
MAX_POOLED_BYTES: Final = 512 << 20  # pinned memory is taken from the whole machine


@dataclass(frozen=True)
class StagingBuffer:
    """A block of host memory; ``owner`` keeps it alive."""

    block: Array  # uint8, a power of two long
    owner: Any


class StagingPool:
    """Buffers in sizes of powers of two.

    Parameters
    ----------
    allocate : callable
        Takes a number of bytes, returns an object with the buffer interface: ``cupy.cuda.alloc_pinned_memory``.
    max_pooled_bytes : int
        What is given back beyond that is freed.
    """

    def __init__(self, allocate: Callable[[int], Any], max_pooled_bytes: int = MAX_POOLED_BYTES) -> None:
        self._allocate = allocate
        self._max_pooled_bytes = max_pooled_bytes
        self._free: dict[int, list[StagingBuffer]] = {}
        self.pooled_bytes = 0

    def take(self, needed_bytes: int) -> StagingBuffer:
        """Return a buffer of at least that size; what it holds is left from before."""
        size_bytes = max(SMALLEST_BYTES, 1 << (max(needed_bytes, 1) - 1).bit_length())
        waiting = self._free.get(size_bytes)
        if waiting:
            self.pooled_bytes -= size_bytes
            return waiting.pop()
        owner = self._allocate(size_bytes)
        return StagingBuffer(np.frombuffer(owner, np.uint8, size_bytes), owner)

    def give(self, buffer: StagingBuffer) -> None:
        """Take a buffer back, once nothing reads from it any more."""
        size_bytes = buffer.block.nbytes
        if self.pooled_bytes + size_bytes <= self._max_pooled_bytes:
            self._free.setdefault(size_bytes, []).append(buffer)
            self.pooled_bytes += size_bytes

    def clear(self) -> None:
        """Free what is waiting."""
        self._free.clear()
        self.pooled_bytes = 0
