"""The operations on one image, written against any namespace of the array API standard: numpy, cupy, array_api_strict.

This is what a machine without a device runs, and what the kernels are checked against.
"""

from __future__ import annotations

from typing import Any

from model_containers.gpu.operations import Mix, Placement, Resample, TypedOperation
from model_containers.gpu.pipeline import Pipeline
from model_containers.gpu.pixel_types import ElementType
from model_containers.gpu.resample import Taps, taps_of


def run_pipeline(xp: Any, pipeline: Pipeline, image: Any) -> Any:
    """Return the result for one image of shape (height, width, channels); a view of the image if nothing changes.

    Raises
    ------
    ImageError
        An image of this size cannot go through the steps.
    """
    height, width = int(image.shape[0]), int(image.shape[1])
    for typed, placement in zip(pipeline.operations, pipeline.geometry(height, width), strict=True):
        image = run_operation(xp, typed, placement, image)
    return xp.permute_dims(image, (2, 0, 1)) if pipeline.is_channels_first else image


def run_operation(xp: Any, typed: TypedOperation, placement: Placement, image: Any) -> Any:
    """Apply one operation."""
    operation = typed.operation
    if isinstance(operation, Mix):
        return _mix(xp, operation, typed.before.element, image)
    if isinstance(operation, Resample):
        return _resample(xp, operation, placement, typed.before.element, image)
    return _window(xp, placement, operation.fill, image)


def _mix(xp: Any, mix: Mix, before: ElementType, image: Any) -> Any:
    picks = mix.picks
    if picks is not None:
        if picks != tuple(range(image.shape[2])):
            image = xp.take(image, xp.asarray(picks), axis=2)
        return _stored(xp, image, before, mix.element)
    values = xp.astype(image, xp.float32)
    scales = mix.scales
    if scales is not None:
        values = values * xp.asarray(scales, dtype=xp.float32)
    else:
        values = values @ xp.permute_dims(xp.asarray(mix.matrix, dtype=xp.float32), (1, 0))
    if any(mix.offset):
        values = values + xp.asarray(mix.offset, dtype=xp.float32)
    return _rounded(xp, values, mix.element)


def _stored(xp: Any, image: Any, before: ElementType, after: ElementType) -> Any:
    """Values as they are, in another element type."""
    if before == after:
        return image
    if after.maximum is None:
        return xp.astype(image, getattr(xp, after.name))
    values = xp.astype(image, xp.float32)
    if before.maximum is None:
        values = xp.where(xp.isnan(values), xp.zeros_like(values), values)  # what a kernel's fmaxf makes of it
    return _rounded(xp, values, after)


def _rounded(xp: Any, values: Any, element: ElementType) -> Any:
    """Store float32 values; half to even, saturated."""
    if element.maximum is not None:
        values = xp.clip(xp.round(values), 0.0, float(element.maximum))
    return xp.astype(values, getattr(xp, element.name), copy=False)


def _window(xp: Any, placement: Placement, fill: tuple[float, ...] | None, image: Any) -> Any:
    top, left, height, width = placement
    if fill is None:
        return image[top : top + height, left : left + width, :]
    rows, columns = int(image.shape[0]), int(image.shape[1])
    image = image[max(top, 0) : min(top + height, rows), max(left, 0) : min(left + width, columns), :]
    above, before = max(-top, 0), max(-left, 0)
    below, behind = height - above - int(image.shape[0]), width - before - int(image.shape[1])
    color = xp.asarray(fill, dtype=image.dtype)

    def border(*shape: int) -> Any:
        return xp.broadcast_to(color, (*shape, int(image.shape[2])))

    if before or behind:
        inner = int(image.shape[0])
        image = xp.concat([border(inner, before), image, border(inner, behind)], axis=1)
    if above or below:
        image = xp.concat([border(above, width), image, border(below, width)], axis=0)
    return image


def _resample(xp: Any, operation: Resample, placement: Placement, element: ElementType, image: Any) -> Any:
    height, width = int(image.shape[0]), int(image.shape[1])
    vertical = taps_of(height, placement.height, operation.kind, operation.antialias)
    horizontal = taps_of(width, placement.width, operation.kind, operation.antialias)
    if placement.height * width <= height * placement.width:  # the axis first that leaves less to do
        image = _columns(xp, _rows(xp, image, vertical), horizontal)
    else:
        image = _rows(xp, _columns(xp, image, horizontal), vertical)
    return _rounded(xp, image, element)


def _rows(xp: Any, image: Any, taps: Taps) -> Any:
    """Resize the first axis: one small matrix product for each block of the table, since the whole is mostly zeros."""
    _, width, channels = image.shape
    parts = []
    for start, stop, matrix in taps.blocks:
        lines = xp.astype(image[start:stop, ...], xp.float32, copy=False)
        parts.append(xp.asarray(matrix) @ xp.reshape(lines, (stop - start, width * channels)))
    whole = parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
    return xp.reshape(whole, (int(taps.starts.shape[0]), width, channels))


def _columns(xp: Any, image: Any, taps: Taps) -> Any:
    return xp.permute_dims(_rows(xp, xp.permute_dims(image, (1, 0, 2)), taps), (1, 0, 2))
