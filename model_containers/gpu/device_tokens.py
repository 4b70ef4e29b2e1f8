"""Padding of token sequences on a CUDA device: one copy, one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model_containers.gpu.device import COMPILE_OPTIONS, THREADS, load_cupy
from model_containers.gpu.faults import reraise_lost
from model_containers.gpu.staging import StagingPool
from model_containers.gpu.tokens import KERNEL_NAME, KERNEL_SOURCE, PaddedTokens, PadTokens

MOST_BLOCKS: Final = 1 << 16  # the kernel takes the rest in turns


class DevicePadder:
    """Pads batches on a device; the arrays are cupy's, and ready when the call returns."""

    def __init__(self, pad: PadTokens, device: int = 0) -> None:
        self._pad = pad
        self._cupy = load_cupy(device)
        self._device = self._cupy.cuda.Device(device)
        with self._device:
            self._stream = self._cupy.cuda.Stream(non_blocking=True)
            self._kernel = self._cupy.RawKernel(KERNEL_SOURCE, KERNEL_NAME, COMPILE_OPTIONS)
        self._staging = StagingPool(self._cupy.cuda.alloc_pinned_memory)

    def __call__(self, items: Sequence[Any]) -> PaddedTokens:
        """Pad a batch.

        Raises
        ------
        DeviceLostError
            The device failed for good.
        MemoryError
            Device memory is short.
        """
        joined, offsets, width, kept, errors = self._pad.gather(items)
        with reraise_lost(), self._device, self._stream:
            ids, mask = self._cupy.empty((2, len(kept), width), np.int64)
            if kept:
                words = joined.size + offsets.size
                staging = self._staging.take(words * 8)
                host = staging.block[: words * 8].view(np.int64)
                host[: offsets.size], host[offsets.size :] = offsets, joined
                there = self._cupy.empty(words, np.int64)
                there.data.copy_from_host_async(host.ctypes.data, host.nbytes, self._stream)
                blocks = min(-(-ids.size // THREADS), MOST_BLOCKS)
                numbers = (np.int32(len(kept)), np.int32(width), np.int64(self._pad.pad_id))
                is_left = np.int32(self._pad.side == "left")
                arrays = (there[offsets.size :], there, ids, mask)
                self._kernel((blocks,), (THREADS,), (*arrays, *numbers, is_left))
                self._stream.synchronize()
                self._staging.give(staging)
        return PaddedTokens(ids, mask, kept, errors)
