"""Compile the CUDA source of a kernel as C++ and run it here: what it computes can be checked without a device.

The kernels take any grid, so one thread of one block does it all. What this cannot show: races, alignment, the rounding
of a device's arithmetic. The device tests do.
"""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_containers.gpu.batch_plan import plan_batch
from model_containers.gpu.kernel_source import kernel_source
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.stages import stages_of
from model_containers.gpu.tokens import KERNEL_NAME, KERNEL_SOURCE, PadTokens

COMPILE_LIMIT_S: Final = 60
POISON: Final = 0xA5  # a result that is not written is seen

# The words of CUDA, for one thread; and float16, which the kernels convert by instructions of the device. No header:
# that halves the time to compile.
PRELUDE: Final = """
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(n)
#define rintf __builtin_rintf
#define fminf __builtin_fminf
#define fmaxf __builtin_fmaxf
struct Index { unsigned x, y, z; };
[[maybe_unused]] static const Index blockIdx = {0, 0, 0}, threadIdx = {0, 0, 0}, blockDim = {1, 1, 1};
[[maybe_unused]] static const Index gridDim = {1, 1, 1};
#if defined(__x86_64__)
static inline float half_to_float(unsigned short bits) {
  float value;
  asm("vmovd %1, %0; vcvtph2ps %0, %0" : "=&x"(value) : "r"((int)bits));
  return value;
}
static inline unsigned short float_to_half(float value) {
  int bits;
  asm("vcvtps2ph $0, %1, %%xmm15; vmovd %%xmm15, %0" : "=r"(bits) : "x"(value) : "xmm15");
  return (unsigned short)bits;
}
#else
static inline float half_to_float(unsigned short bits) {
  __fp16 value;
  __builtin_memcpy(&value, &bits, 2);
  return value;
}
static inline unsigned short float_to_half(float value) {
  __fp16 narrow = value;
  unsigned short bits;
  __builtin_memcpy(&bits, &narrow, 2);
  return bits;
}
#endif
"""


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="kernels-")


@cache
def _library(text: str) -> ctypes.CDLL:
    place = Path(_directory().name) / hashlib.sha256(text.encode()).hexdigest()[:16]
    source, library = place.with_suffix(".cpp"), place.with_suffix(".so")
    source.write_text(PRELUDE + text)
    compiler = (sysconfig.get_config_var("CXX") or "g++").split()[0]
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-Wno-unused-function"]
    done = subprocess.run(
        [compiler, *flags, "-o", str(library), str(source)],
        capture_output=True, text=True, timeout=COMPILE_LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(f"the kernel does not compile:\n{done.stderr}\n{text}")
    return ctypes.CDLL(str(library))


def compiled_function(text: str, name: str) -> Any:
    """Return the kernel as a function that ctypes calls; compiled once a process."""
    return getattr(_library(text), name)


def run_kernels(pipeline: Pipeline, images: Sequence[np.ndarray[Any, np.dtype[Any]]]) -> np.ndarray[Any, np.dtype[Any]]:
    """Return what the fused kernels make of the images, stacked."""
    stages = stages_of(pipeline)
    plan = plan_batch(pipeline, stages, [image.shape[:2] for image in images])
    block = np.full(plan.block_bytes, POISON, np.uint8)
    plan.fill(block, images)
    result = np.empty((plan.count, *pipeline.result_shape), pipeline.result_type.element.name)
    result.view(np.uint8)[...] = POISON
    source = block.ctypes.data + plan.pixels_at
    for number, (stage, launch) in enumerate(zip(stages, plan.stage_plans, strict=True)):
        target = result if stage.is_last else np.full(max(1, launch.result_bytes), POISON, np.uint8)
        kernel = kernel_source(stage, number)
        pointers = (source, block.ctypes.data + launch.rows_at, block.ctypes.data + plan.tables_at, target.ctypes.data)
        compiled_function(kernel.text, kernel.name)(*(ctypes.c_void_p(pointer) for pointer in pointers), plan.count)
        source, held = target.ctypes.data, target  # noqa: F841 - the next stage reads it
    return result


def run_token_kernel(pad: PadTokens, items: Sequence[Any]) -> tuple[Any, Any]:
    """Return ids and mask as the token kernel makes them."""
    joined, offsets, width, kept, _ = pad.gather(items)
    ids, mask = (np.full((len(kept), width), -7, np.int64) for _ in range(2))
    arrays = (joined, offsets, ids, mask)
    numbers = (len(kept), width, ctypes.c_longlong(pad.pad_id), int(pad.side == "left"))
    compiled_function(KERNEL_SOURCE, KERNEL_NAME)(*(ctypes.c_void_p(array.ctypes.data) for array in arrays), *numbers)
    return ids, mask
