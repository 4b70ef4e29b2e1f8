"""Batches on a CUDA device: two in flight, each on a stream of its own.

``submit`` decodes, fills a pinned buffer, and queues on the slot's stream one copy to the device, one kernel a stage,
and nothing else. It does not wait: while the device computes batch k, the host fills batch k+1, and the copy engine
brings it over. A slot is used again only when its copy has ended (its pinned buffer) and behind whatever streams read
its last result (its device memory); the host waits for the first, the device for the second.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from model_containers.gpu.batch_plan import BatchPlan, plan_batch
from model_containers.gpu.errors import PipelineError
from model_containers.gpu.faults import reraise_lost
from model_containers.gpu.handoff import stream_at
from model_containers.gpu.kernel_source import kernel_source
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import Prepared, Preprocessor
from model_containers.gpu.resample import Array
from model_containers.gpu.stages import stages_of
from model_containers.gpu.staging import StagingBuffer, StagingPool

SLOTS: Final = 2  # one copies while the other computes; more would only hold memory
THREADS: Final = 256  # a block, as __launch_bounds__ of the kernels says
THREADED_COPY_BYTES: Final = 1 << 20  # an image; handing a smaller one to a thread takes longer than to copy it
MAX_BLOCKS: Final = 65_535  # in the second dimension of a grid
COMPILE_OPTIONS: Final = ("--std=c++17",)
INSTALL_HINT: Final = "pip install 'clipper[gpu]'"

logger = logging.getLogger("model_containers")


@dataclass
class Slot:
    """What a batch in flight holds."""

    stream: Any
    copied: Any  # event: the pinned buffer may be filled again
    staging: StagingBuffer | None = None
    memory: Any = None  # uint8 on the device: the block, and results between two stages
    last: Prepared | None = None
    marks: list[tuple[str, Any]] = field(default_factory=list)  # timing events of the last batch, if asked for


class DevicePreprocessor(Preprocessor):
    """On a device.

    Parameters
    ----------
    device : int
        Which, as CUDA counts those that CUDA_VISIBLE_DEVICES leaves.
    memory_ratio : float
        Of the device's memory, that cupy's pool may hold in this process; 1 = no limit.
    is_timed : bool
        Mark begin and end of copies and kernels with events; see ``marks``.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        device: int = 0,
        decode_threads: int = 1,
        slots: int = SLOTS,
        *,
        memory_ratio: float = 1.0,
        is_timed: bool = False,
    ) -> None:
        super().__init__(pipeline, decode_threads)
        self._cupy = load_cupy(device)
        self._device = self._cupy.cuda.Device(device)
        self._stages = stages_of(pipeline)
        self._is_timed = is_timed
        with self._device:
            cuda = self._cupy.cuda
            if memory_ratio < 1:
                self._cupy.get_default_memory_pool().set_limit(fraction=memory_ratio)
            self._kernels = []
            for number, stage in enumerate(self._stages):
                source = kernel_source(stage, number)
                self._kernels.append(self._cupy.RawKernel(source.text, source.name, COMPILE_OPTIONS))
            self._slots = [
                Slot(cuda.Stream(non_blocking=True), cuda.Event(disable_timing=True)) for _ in range(max(1, slots))
            ]
        self._staging = StagingPool(self._cupy.cuda.alloc_pinned_memory)
        self._next = 0

    @property
    def marks(self) -> list[tuple[str, Any]]:
        """Events of the batch that was submitted last: copy begins, copy ends, kernels begin, kernels end."""
        return self._slots[self._next - 1].marks

    def submit(self, items: Sequence[Any]) -> Prepared:
        """Begin with a batch.

        Raises
        ------
        DeviceLostError
            The device failed for good.
        MemoryError
            Device memory is short (cupy's OutOfMemoryError); nothing of the batch is left.
        """
        images, kept, errors = self.load(items)
        slot = self._slots[self._next]
        self._next = (self._next + 1) % len(self._slots)
        plan = plan_batch(self.pipeline, self._stages, [image.shape[:2] for image in images])
        with reraise_lost(), self._device, slot.stream:
            self._settle(slot)
            slot.last = Prepared(self._run(slot, plan, images), kept, errors, slot.stream)
        return slot.last

    def release_memory(self) -> None:
        """Give back what slots and pools keep."""
        with reraise_lost(), self._device:
            for slot in self._slots:
                slot.stream.synchronize()
                slot.staging = slot.memory = slot.last = None
            self._staging.clear()
            self._cupy.get_default_memory_pool().free_all_blocks()
            self._cupy.get_default_pinned_memory_pool().free_all_blocks()

    def close(self) -> None:
        """End the threads, give memory back."""
        super().close()
        self.release_memory()

    def _settle(self, slot: Slot) -> None:
        """Make a slot fit for another batch."""
        slot.copied.synchronize()
        if slot.staging is not None:
            self._staging.give(slot.staging)
            slot.staging = None
        if slot.last is not None:
            for pointer in slot.last.readers:
                slot.stream.wait_event(stream_at(self._cupy, pointer).record())
            slot.last = None
        slot.marks = []

    def _run(self, slot: Slot, plan: BatchPlan, images: Sequence[Array]) -> Any:
        cupy, element = self._cupy, self.pipeline.result_type.element
        result = cupy.empty((plan.count, *self.pipeline.result_shape), element.name)
        if plan.count == 0:
            return result
        slot.staging = self._staging.take(plan.block_bytes)
        run = self.run_on_host if plan.block_bytes >= THREADED_COPY_BYTES * plan.count else map
        plan.fill(slot.staging.block, images, run)
        between_bytes = sum(stage.result_bytes for stage in plan.stage_plans[:-1])
        needed_bytes = plan.block_bytes + between_bytes
        if slot.memory is None or slot.memory.nbytes < needed_bytes:
            slot.memory = None  # free the old block before a larger one is asked for
            slot.memory = cupy.empty(1 << (needed_bytes - 1).bit_length(), np.uint8)
        self._mark(slot, "copy begins")
        slot.memory.data.copy_from_host_async(slot.staging.block.ctypes.data, plan.block_bytes, slot.stream)
        slot.copied.record(slot.stream)
        self._mark(slot, "copy ends")
        self._launch(slot, plan, result)
        self._mark(slot, "kernels end")
        return result

    def _launch(self, slot: Slot, plan: BatchPlan, result: Any) -> None:
        block = slot.memory.data.ptr
        source, free = block + plan.pixels_at, block + plan.block_bytes
        for kernel, stage in zip(self._kernels, plan.stage_plans, strict=True):
            is_last = stage is plan.stage_plans[-1]
            target = result.data.ptr if is_last else free
            grid = (min(-(-stage.most_pixels // THREADS), MAX_BLOCKS), min(plan.count, MAX_BLOCKS))
            pointers = (source, block + stage.rows_at, block + plan.tables_at, target)
            arguments = (*(np.uint64(pointer) for pointer in pointers), np.int32(plan.count))
            kernel(grid, (THREADS,), arguments)
            source, free = target, free + stage.result_bytes

    def _mark(self, slot: Slot, name: str) -> None:
        if self._is_timed:
            event = self._cupy.cuda.Event()
            event.record(slot.stream)
            slot.marks.append((name, event))


def load_cupy(device: int) -> Any:
    """Return cupy, once it is certain that it sees the device.

    Raises
    ------
    PipelineError
        It is not installed, or does not; says what to do.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise PipelineError(
            f"the device cuda:{device} needs cupy, which cannot be imported ({error}); {INSTALL_HINT}"
        ) from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise PipelineError(f"there is no CUDA device here: {error}; use the device cpu") from None
    if not 0 <= device < count:
        raise PipelineError(f"there is no device cuda:{device}, {count} can be seen (CUDA_VISIBLE_DEVICES)")
    return cupy
