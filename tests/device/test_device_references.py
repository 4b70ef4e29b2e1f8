"""Against torchvision, where a device machine has it: too large to install for CI, and independent of Pillow's
filters."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.preprocessor import HostPreprocessor, make_preprocessor
from model_containers.gpu.sources import TensorImage
from model_containers.gpu.steps import CenterCrop, Normalize, Resize, ToChannelsFirst
from tests.support.gpu_cases import SIZES, make_images

pytestmark = pytest.mark.needs_gpu
LEVEL = 1.0  # torchvision rounds 8-bit images between the two axes, too


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("size", [(40, 30), (200, 170)])
def test_float_resize_equals_torchvision(kind: str, antialias: bool, device: str, size: tuple[int, int]) -> None:
    torch, functional = (
        importlib.import_module("torch"),
        importlib.import_module("torchvision.transforms.v2.functional"),
    )
    images = [image / np.float32(255) for image in make_images(TensorImage(), SIZES)]
    pipeline = Pipeline(
        TensorImage(dtype="float32"), [Resize(*size, filter=kind, antialias=antialias), ToChannelsFirst()]
    )
    found: Any = make_preprocessor(pipeline, device).prepare(images).array
    for row, image in zip(found, images, strict=True):
        tensor = torch.from_numpy(image).permute(2, 0, 1)
        mode = getattr(importlib.import_module("torchvision.transforms.v2").InterpolationMode, kind.upper())
        wanted = functional.resize(tensor, list(size), interpolation=mode, antialias=antialias).numpy()
        np.testing.assert_allclose(row.get() if device == "cuda" else row, wanted, atol=2e-5)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_usual_evaluation_transform_equals_torchvision_within_a_level(device: str) -> None:
    torch, v2 = importlib.import_module("torch"), importlib.import_module("torchvision.transforms.v2")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    theirs = v2.Compose(
        [
            v2.Resize(64, antialias=True),
            v2.CenterCrop(56),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )
    steps = [Resize(shortest=64), CenterCrop(56, 56), Normalize(mean, std), ToChannelsFirst()]
    images = make_images(TensorImage(), SIZES)
    found: Any = make_preprocessor(Pipeline(TensorImage(), steps), device).prepare(images).array
    wanted = np.stack([theirs(torch.from_numpy(image).permute(2, 0, 1)).numpy() for image in images])
    found = found.get() if device == "cuda" else found
    off_by_a_level = LEVEL / 255 / min(std)
    assert np.abs(found - wanted).max() <= off_by_a_level * 1.01
    assert (np.abs(found - wanted) > 1e-4).mean() < 0.25  # theirs is rounded twice, ours once


def test_area_equals_torch_where_the_sizes_divide() -> None:
    torch = importlib.import_module("torch")
    image = make_images(TensorImage(dtype="float32"), [(96, 60)])[0]
    pipeline = Pipeline(TensorImage(dtype="float32"), [Resize(32, 20, filter="area"), ToChannelsFirst()])
    wanted = torch.nn.functional.interpolate(torch.from_numpy(image).permute(2, 0, 1)[None], (32, 20), mode="area")[0]
    np.testing.assert_allclose(HostPreprocessor(pipeline).prepare([image]).array[0], wanted.numpy(), atol=1e-4)
