"""CUDA source of a stage: everything between loading a pixel and storing it, in one kernel, in registers.

A thread computes one pixel of the result. It walks the operations twice: backwards, to learn which pixel of the source
the wanted one comes from (a window only moves coordinates, and says which pixels it fills), and forwards, to compute
the values. Where there is a Resample, what stands before it is computed for each tap, in ``read_pixel``.

The source is plain C++ but for the words of CUDA, so that the tests compile it for the CPU as well and compare what it
computes with the interpreter, on machines without a device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_containers.gpu import stages
from model_containers.gpu.operations import Mix, TypedOperation, Window
from model_containers.gpu.pixel_types import FLOAT16, ElementType
from model_containers.gpu.stages import Stage

# What a kernel may call. float16 by hand: NVRTC comes without cuda_fp16.h; the instructions exist since sm_53.
HELPERS: Final = {
    "half_to_float": """
#if defined(__CUDACC__)
static __device__ __forceinline__ float half_to_float(unsigned short bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
#endif""",
    "float_to_half": """
#if defined(__CUDACC__)
static __device__ __forceinline__ unsigned short float_to_half(float value) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
#endif""",
    "saturated": """
static __device__ __forceinline__ float saturated(float value, float maximum) {
  return fminf(fmaxf(rintf(value), 0.0f), maximum);
}""",
}


@dataclass(frozen=True)
class KernelSource:
    """The source of one kernel and the name of its function."""

    name: str
    text: str


def kernel_source(stage: Stage, number: int = 0) -> KernelSource:
    """Return the kernel of a stage.

    Its parameters: the source's first byte, the rows of the items (int64), the tables of the filters (int32 and float32
    mixed), the result's first byte, the number of items. Any grid will do: blocks in y take items, in x their pixels.
    """
    name = f"clipper_stage_{number}"
    at = stage.resample_at
    split = 0 if at is None else at
    before, after = stage.operations[:split], stage.operations[split if at is None else split + 1 :]
    reader = _reader(stage, before)
    middle = stage.operations[split].after if at is not None else stage.before
    body = _Chain(after, stage.columns[split if at is None else split + 1 :]).lines(
        lambda indent: (
            _resampled(stage, at, indent) if at is not None else [f"{indent}read_pixel(source, p, y, x, v);"]
        ),
        middle.channels,
    )
    text = "\n".join(
        [
            *reader,
            "",
            f'extern "C" __global__ void __launch_bounds__(256) {name}(const unsigned char* __restrict__ source_bytes,',
            "    const long long* __restrict__ items, const int* __restrict__ tables,",
            "    unsigned char* __restrict__ result_bytes, int count) {",
            f"  const {_c(stage.before.element)}* __restrict__ source =",
            f"      reinterpret_cast<const {_c(stage.before.element)}*>(source_bytes);",
            f"  {_c(stage.after.element)}* __restrict__ result =",
            f"      reinterpret_cast<{_c(stage.after.element)}*>(result_bytes);",
            "  for (int item = blockIdx.y; item < count; item += gridDim.y) {",
            f"    const long long* __restrict__ p = items + (long long)item * {stage.columns[-1]};",
            f"    const int result_height = (int)p[{stages.RESULT_HEIGHT}];",
            f"    const int result_width = (int)p[{stages.RESULT_WIDTH}];",
            "    const int pixels = result_height * result_width;",
            "    const int step = (int)(gridDim.x * blockDim.x);",
            "    for (int at = (int)(blockIdx.x * blockDim.x + threadIdx.x); at < pixels; at += step) {",
            "      int y = at / result_width;",
            "      int x = at - y * result_width;",
            *(f"      {line}" for line in body),
            *(f"      {line}" for line in _store(stage)),
            "    }",
            "  }",
            "}",
            "",
        ]
    )
    helpers = [helper for called, helper in HELPERS.items() if called in text]  # an unused one would be a warning
    return KernelSource(name, "\n".join([*helpers, "", text]))


def _reader(stage: Stage, before: Sequence[TypedOperation]) -> list[str]:
    element, channels = stage.before.element, stage.before.channels

    def load(indent: str) -> list[str]:
        lines = [
            f"{indent}const {_c(element)}* __restrict__ at =",
            f"{indent}    source + p[{stages.SOURCE}] + ((long long)y * p[{stages.WIDTH}] + x) * {channels};",
        ]
        return lines + [f"{indent}v[{i}] = {_loaded(element, f'at[{i}]')};" for i in range(channels)]

    lines = _Chain(before, stage.columns).lines(load, channels, declare=False)
    return [
        f"static __device__ __forceinline__ void read_pixel(const {_c(element)}* __restrict__ source,",
        "    const long long* __restrict__ p, int y, int x, float* __restrict__ v) {",
        *(f"  {line}" for line in lines),
        "}",
    ]


class _Chain:
    """Windows and mixes in a row."""

    def __init__(self, operations: Sequence[TypedOperation], columns: Sequence[int]) -> None:
        self._operations = operations
        self._columns = columns

    def lines(self, fetch: Callable[[str], list[str]], channels: int, *, declare: bool = True) -> list[str]:
        """Return the statements that turn ``y`` and ``x`` into the values ``v``; ``fetch`` fills ``v`` at the
        bottom."""
        most = max([channels, *(typed.after.channels for typed in self._operations)])
        lines = [f"float v[{most}];"] if declare else []
        pads = []
        for at, typed in reversed(list(enumerate(self._operations))):
            if isinstance(typed.operation, Window):
                lines += self._backwards(at, typed.operation.fill is not None)
                pads += [at] if typed.operation.fill is not None else []
        if pads:
            lines.append(f"if ({' && '.join(f'inside_{at}' for at in pads)}) {{")
            lines += [*fetch("  "), "} else {", *(f"  v[{i}] = 0.0f;" for i in range(channels)), "}"]
        else:
            lines += fetch("")
        for at, typed in enumerate(self._operations):
            lines += self._forwards(at, typed)
        return lines

    def _backwards(self, at: int, is_pad: bool) -> list[str]:
        first = self._columns[at]
        lines = [f"y += (int)p[{first}];", f"x += (int)p[{first + 1}];"]
        inside = f"y >= 0 && y < (int)p[{first + 2}] && x >= 0 && x < (int)p[{first + 3}]"
        return lines + ([f"const bool inside_{at} = {inside};"] if is_pad else [])

    def _forwards(self, at: int, typed: TypedOperation) -> list[str]:
        operation = typed.operation
        if isinstance(operation, Window):
            if operation.fill is None:
                return []
            fills = [f"  v[{i}] = {_literal(value)};" for i, value in enumerate(operation.fill)]
            return [f"if (!inside_{at}) {{", *fills, "}"]
        if not isinstance(operation, Mix):
            raise TypeError(f"{operation} in a chain of windows and mixes")
        return _mix_lines(operation)


def _mix_lines(mix: Mix) -> list[str]:
    sums = [_sum(row, offset) for row, offset in zip(mix.matrix, mix.offset, strict=True)]
    stored = [_stored(mix.element, text) for text in sums]
    lines = [f"const float m{i} = {text};" for i, text in enumerate(stored)]
    return ["{", *(f"  {line}" for line in lines), *(f"  v[{i}] = m{i};" for i in range(len(lines))), "}"]


def _sum(row: Sequence[float], offset: float) -> str:
    terms = [f"v[{i}]" if value == 1.0 else f"{_literal(value)} * v[{i}]" for i, value in enumerate(row) if value]
    if offset or not terms:
        terms.append(_literal(offset))
    return " + ".join(terms)


def _resampled(stage: Stage, at: int, indent: str) -> list[str]:
    """Fill ``v`` with the weighted sum of the taps around ``y`` and ``x``, rows inside."""
    typed, first = stage.operations[at], stage.columns[at]
    channels = typed.before.channels
    most = max([stage.before.channels, *(each.after.channels for each in stage.operations[:at])])
    y_at, y_taps, y_size, x_at, x_taps, x_size = (f"p[{first + column}]" for column in range(6))
    zeros = ", ".join(["0.0f"] * channels)
    lines = [
        f"const int* __restrict__ y_table = tables + {y_at};",
        f"const int* __restrict__ x_table = tables + {x_at};",
        f"const int y_taps = (int){y_taps}, x_taps = (int){x_taps};",
        "const int y_first = y_table[y], x_first = x_table[x];",
        "const float* __restrict__ y_weights =",
        f"    reinterpret_cast<const float*>(y_table + {y_size}) + (long long)y * y_taps;",
        "const float* __restrict__ x_weights =",
        f"    reinterpret_cast<const float*>(x_table + {x_size}) + (long long)x * x_taps;",
        f"float sums[{channels}] = {{{zeros}}};",
        "for (int j = 0; j < y_taps; ++j) {",
        f"  float row[{channels}] = {{{zeros}}};",
        "  for (int i = 0; i < x_taps; ++i) {",
        f"    float tap[{most}];",
        "    read_pixel(source, p, y_first + j, x_first + i, tap);",
        "    const float weight = x_weights[i];",
        *(f"    row[{c}] += weight * tap[{c}];" for c in range(channels)),
        "  }",
        *(f"  sums[{c}] += y_weights[j] * row[{c}];" for c in range(channels)),
        "}",
        *(f"v[{c}] = {_stored(typed.after.element, f'sums[{c}]')};" for c in range(channels)),
    ]
    return [indent + line for line in lines]


def _store(stage: Stage) -> list[str]:
    channels = stage.after.channels
    values = [f"float_to_half(v[{i}])" if stage.after.element == FLOAT16 else f"v[{i}]" for i in range(channels)]
    base = f"result + p[{stages.RESULT}]"
    if stage.is_channels_first:
        lines = [f"{_c(stage.after.element)}* __restrict__ to = {base} + at;"]
        places = [f"to[(long long){i} * pixels]" for i in range(channels)]
    else:
        lines = [f"{_c(stage.after.element)}* __restrict__ to = {base} + (long long)at * {channels};"]
        places = [f"to[{i}]" for i in range(channels)]
    kind = _c(stage.after.element)
    return lines + [f"{place} = ({kind}){value};" for place, value in zip(places, values, strict=True)]


def _loaded(element: ElementType, text: str) -> str:
    return f"half_to_float({text})" if element == FLOAT16 else f"(float){text}"


def _stored(element: ElementType, text: str) -> str:
    """The value as it would be read back from memory of that type."""
    if element.maximum is not None:
        return f"saturated({text}, {_literal(element.maximum)})"
    return f"half_to_float(float_to_half({text}))" if element == FLOAT16 else text


def _c(element: ElementType) -> str:
    return element.c_type


def _literal(value: float) -> str:
    """Every bit of the float32; nvrtc and C++17 read hexadecimal floats."""
    return f"{float(np.float32(value)).hex()}f"
