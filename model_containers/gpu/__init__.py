"""Preprocessing of images and tokens on a CUDA device, and the same on numpy where there is none.

Read in this order: ``steps`` (what a user writes) become ``operations`` (three primitives), which ``run`` interprets on
any array namespace and ``kernel_source`` fuses into one CUDA kernel a stage; ``batch_plan`` says where everything of a
ragged batch lies, ``device`` moves and computes it, ``pieces`` survives a full device. docs/gpu.md is for users.

The names below are loaded when they are first used; cupy only when a device is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_containers.gpu.errors import DeviceLostError, ImageError, PipelineError
    from model_containers.gpu.pipeline import Pipeline, pipeline_from_json, pipeline_to_json
    from model_containers.gpu.preprocessor import Prepared, Preprocessor, make_preprocessor
    from model_containers.gpu.sources import DecodeImage, TensorImage
    from model_containers.gpu.steps import Cast, CenterCrop, ConvertColor, Normalize, Pad, Resize, ToChannelsFirst
    from model_containers.gpu.tokens import PaddedTokens, PadTokens, make_padder

__all__ = [
    "Cast",
    "CenterCrop",
    "ConvertColor",
    "DecodeImage",
    "DeviceLostError",
    "ImageError",
    "Normalize",
    "Pad",
    "PadTokens",
    "PaddedTokens",
    "Pipeline",
    "PipelineError",
    "Prepared",
    "Preprocessor",
    "Resize",
    "TensorImage",
    "ToChannelsFirst",
    "make_padder",
    "make_preprocessor",
    "pipeline_from_json",
    "pipeline_to_json",
]

_HOMES = {
    "errors": ("DeviceLostError", "ImageError", "PipelineError"),
    "pipeline": ("Pipeline", "pipeline_from_json", "pipeline_to_json"),
    "preprocessor": ("Prepared", "Preprocessor", "make_preprocessor"),
    "sources": ("DecodeImage", "TensorImage"),
    "steps": ("Cast", "CenterCrop", "ConvertColor", "Normalize", "Pad", "Resize", "ToChannelsFirst"),
    "tokens": ("PadTokens", "PaddedTokens", "make_padder"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
