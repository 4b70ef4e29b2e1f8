"""Who prepares: each takes arrays or JPEG files, and returns (batch, 3, 224, 224) float32, on whatever it computes on.

All of them do the same: shorter side to 256 (bilinear, antialiased), the middle 224 x 224, ImageNet's mean and
deviation. On the host one thread each, as a replica has one core by default; one subject says what more of them bring.
"""

from __future__ import annotations

import importlib
import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import make_preprocessor
from model_containers.gpu.sources import DecodeImage, Source, TensorImage
from model_containers.gpu.steps import CenterCrop, Normalize, Resize, ToChannelsFirst

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

SHORTEST, CROP = 256, 224
HOST_THREADS = 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _array(values: Sequence[float]) -> Array:
    return np.array(values, np.float32)


class Subject(ABC):
    """One way to prepare a batch."""

    name: str
    packages: tuple[str, ...] = ()
    needs_device = False
    tolerance = 0.03  # a level and a half of 255, after normalisation
    mean_tolerance = 0.01

    @abstractmethod
    def start(self, is_encoded: bool) -> None:
        """Make ready for arrays, or for JPEG files."""

    @abstractmethod
    def prepare(self, images: Sequence[Any]) -> Any:
        """Prepare one batch; on a device the work may go on after the call."""

    def wait(self) -> None:
        """Return when everything is computed."""
        return

    def to_host(self, batch: Any) -> Array:
        """Return a result as numpy's."""
        return np.asarray(batch)


def our_pipeline(source: Source) -> Pipeline:
    """Return the pipeline that all subjects compute."""
    return Pipeline(
        source, [Resize(shortest=SHORTEST), CenterCrop(CROP, CROP), Normalize(MEAN, STD), ToChannelsFirst()]
    )


class Ours(Subject):
    """This project's preprocessing on numpy."""

    name = "ours, numpy"
    device = "cpu"
    threads = 1

    def start(self, is_encoded: bool) -> None:
        pipeline = our_pipeline(DecodeImage() if is_encoded else TensorImage())
        self._preprocessor = make_preprocessor(pipeline, self.device, self.threads)

    def prepare(self, images: Sequence[Any]) -> Any:
        return self._preprocessor.submit(images).array


class OursOnDevice(Ours):
    """The same in one kernel on a device, copies to it included."""

    name = "ours, cupy"
    device = "cuda"
    packages = ("cupy",)
    needs_device = True

    def wait(self) -> None:
        importlib.import_module("cupy").cuda.Device().synchronize()

    def to_host(self, batch: Any) -> Array:
        self.wait()
        found: Array = batch.get()
        return found


class OursOnDeviceThreaded(OursOnDevice):
    """Decoded, and copied into pinned memory, by several threads of the host."""

    name = f"ours, cupy, {HOST_THREADS} threads"
    threads = HOST_THREADS


class Pillow(Subject):
    """Pillow and numpy."""

    name = "Pillow"
    packages = ("PIL",)

    def start(self, is_encoded: bool) -> None:
        self._image, self._is_encoded = importlib.import_module("PIL.Image"), is_encoded

    def prepare(self, images: Sequence[Any]) -> Array:
        batch = np.empty((len(images), 3, CROP, CROP), np.float32)
        for row, image in zip(batch, images, strict=True):
            row[...] = self._one(image)
        return batch

    def _one(self, image: Any) -> Array:
        opened = (
            self._image.open(io.BytesIO(image)).convert("RGB") if self._is_encoded else self._image.fromarray(image)
        )
        width, height = opened.size
        scale = min(width, height)
        width, height = width * SHORTEST // scale, height * SHORTEST // scale
        left, top = round((width - CROP) / 2), round((height - CROP) / 2)
        resized = opened.resize((width, height), self._image.Resampling.BILINEAR)
        cropped = np.asarray(resized.crop((left, top, left + CROP, top + CROP)), np.float32)
        scaled: Array = (cropped / np.float32(255) - _array(MEAN)) / _array(STD)
        return scaled.transpose(2, 0, 1)


class ScikitImage(Subject):
    """scikit-image: its antialiasing is a Gaussian, so that it is close to the others, not equal."""

    name = "scikit-image"
    packages = ("skimage", "PIL")
    tolerance = 1.5

    mean_tolerance = 0.3

    def start(self, is_encoded: bool) -> None:
        self._resize = importlib.import_module("skimage.transform").resize
        self._image, self._is_encoded = importlib.import_module("PIL.Image"), is_encoded

    def prepare(self, images: Sequence[Any]) -> Array:
        return np.stack([self._one(image) for image in images])

    def _one(self, image: Any) -> Array:
        pixels = np.asarray(self._image.open(io.BytesIO(image)).convert("RGB")) if self._is_encoded else image
        height, width = pixels.shape[:2]
        scale = min(width, height)
        height, width = height * SHORTEST // scale, width * SHORTEST // scale
        top, left = round((height - CROP) / 2), round((width - CROP) / 2)
        resized = self._resize(pixels.astype(np.float32) / 255, (height, width), order=1, anti_aliasing=True)
        cropped: Array = (resized[top : top + CROP, left : left + CROP] - _array(MEAN)) / _array(STD)
        return cropped.transpose(2, 0, 1)


class Torchvision(Subject):
    """torchvision's transforms v2 on tensors."""

    name = "torchvision"
    packages = ("torch", "torchvision")
    device = "cpu"

    def start(self, is_encoded: bool) -> None:
        self._torch, v2 = importlib.import_module("torch"), importlib.import_module("torchvision.transforms.v2")
        self._torch.set_num_threads(1)
        self._io, self._is_encoded = importlib.import_module("torchvision.io"), is_encoded
        self._transform = v2.Compose(
            [
                v2.Resize(SHORTEST, antialias=True),
                v2.CenterCrop(CROP),
                v2.ToDtype(self._torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def prepare(self, images: Sequence[Any]) -> Any:
        return self._torch.stack([self._transform(self._tensor(image).to(self.device)) for image in images])

    def _tensor(self, image: Any) -> Any:
        if self._is_encoded:
            data = self._torch.frombuffer(bytearray(image), dtype=self._torch.uint8)
            return self._io.decode_jpeg(data, mode=self._io.ImageReadMode.RGB)
        return self._torch.from_numpy(image).permute(2, 0, 1)

    def to_host(self, batch: Any) -> Array:
        found: Array = batch.cpu().numpy()
        return found


class TorchvisionOnDevice(Torchvision):
    """The same on a device, image by image, as its users write it."""

    name = "torchvision, cuda"
    device = "cuda"
    needs_device = True

    def wait(self) -> None:
        self._torch.cuda.synchronize()


SUBJECTS: Final[tuple[Subject, ...]] = (
    Ours(),
    Pillow(),
    ScikitImage(),
    Torchvision(),
    TorchvisionOnDevice(),
    OursOnDevice(),
    OursOnDeviceThreaded(),
)
