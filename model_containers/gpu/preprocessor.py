"""One interface for both: prepare batches on the host with numpy, or on a CUDA device."""

from __future__ import annotations

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from model_containers.gpu.errors import ImageError, PipelineError
from model_containers.gpu.faults import reraise_lost
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.resample import Array
from model_containers.gpu.run import run_pipeline

DEVICE: Final = re.compile(r"cpu|cuda(?::(\d+))?")


@dataclass
class Prepared:
    """A batch that is ready, or will be when the device gets there.

    The array belongs to the caller. On a device it is computed on ``stream``: hand it on with ``handoff``, which keeps
    the order, or call ``synchronize`` first.
    """

    array: Any  # (kept, *result_shape): numpy's, or cupy's on a device
    kept: tuple[int, ...]  # the place in the batch that each row comes from
    errors: dict[int, ImageError]  # place in the batch -> what is wrong with that input
    stream: Any = None  # cupy's; None on the host
    readers: set[int] = field(default_factory=set)  # streams, as pointers, on which somebody else reads the array

    def synchronize(self) -> None:
        """Wait until the array is computed.

        Raises
        ------
        DeviceLostError
            The device failed for good.
        """
        if self.stream is not None:
            with reraise_lost():
                self.stream.synchronize()


class Preprocessor(ABC):
    """Prepares batches for a network. One thread at a time.

    Parameters
    ----------
    pipeline : Pipeline
        What to do.
    decode_threads : int
        How many inputs are decoded, and copied into pinned memory, at a time; both let go of the interpreter.
    """

    def __init__(self, pipeline: Pipeline, decode_threads: int = 1) -> None:
        self.pipeline = pipeline
        self._decoders = ThreadPoolExecutor(decode_threads, "decoder") if decode_threads > 1 else None
        self.run_on_host: Callable[..., Iterable[Any]] = self._decoders.map if self._decoders is not None else map

    @abstractmethod
    def submit(self, items: Sequence[Any]) -> Prepared:
        """Begin with a batch; on a device the call returns while it still computes."""

    def prepare(self, items: Sequence[Any]) -> Prepared:
        """Prepare a batch and wait for it."""
        prepared = self.submit(items)
        prepared.synchronize()
        return prepared

    def release_memory(self) -> None:
        """Give back device memory that is kept for later."""
        return

    def close(self) -> None:
        """End the threads, give memory back."""
        if self._decoders is not None:
            self._decoders.shutdown()

    def load(self, items: Sequence[Any]) -> tuple[list[Array], tuple[int, ...], dict[int, ImageError]]:
        """Return the images that are in order, their places in the batch, and what is wrong with the others."""

        def attempt(item: Any) -> Array | ImageError:
            try:
                image = self.pipeline.source.load(item)
                self.pipeline.geometry(image.shape[0], image.shape[1])
            except ImageError as error:
                return error
            return image

        run = self.run_on_host if self.pipeline.source.is_decoder else map
        loaded = list(enumerate(run(attempt, items)))
        images = [each for _, each in loaded if not isinstance(each, ImageError)]
        kept = tuple(place for place, each in loaded if not isinstance(each, ImageError))
        return images, kept, {place: each for place, each in loaded if isinstance(each, ImageError)}


class HostPreprocessor(Preprocessor):
    """On numpy."""

    def submit(self, items: Sequence[Any]) -> Prepared:
        """Prepare a batch; it is ready when the call returns."""
        images, kept, errors = self.load(items)
        result = np.empty((len(images), *self.pipeline.result_shape), self.pipeline.result_type.element.name)
        for row, image in zip(result, images, strict=True):
            row[...] = run_pipeline(np, self.pipeline, image)
        return Prepared(result, kept, errors)


def device_number(device: str) -> int | None:
    """Return the number in ``cuda:1`` (``cuda`` is 0), None for ``cpu``.

    Raises
    ------
    PipelineError
        It is neither.
    """
    found = DEVICE.fullmatch(device)
    if found is None:
        raise PipelineError(f"the device is {device!r}, expected cpu, cuda or cuda:NUMBER")
    return None if device == "cpu" else int(found[1] or 0)


def make_preprocessor(
    pipeline: Pipeline, device: str = "cpu", decode_threads: int = 1, memory_ratio: float = 1.0
) -> Preprocessor:
    """Return a preprocessor on ``cpu``, ``cuda`` or ``cuda:NUMBER``, which may use so much of the device's memory.

    Raises
    ------
    PipelineError
        There is no such device, or cupy is not installed; says what to do.
    """
    number = device_number(device)
    if number is None:
        return HostPreprocessor(pipeline, decode_threads)
    kind = importlib.import_module("model_containers.gpu.device").DevicePreprocessor
    preprocessor: Preprocessor = kind(pipeline, number, decode_threads, memory_ratio=memory_ratio)
    return preprocessor
