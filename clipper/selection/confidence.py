"""How sure a model is of an output, as far as the output says so; the core's rule for cascades, in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def output_confidence(output: Any) -> float | None:
    """Return the number under "confidence" of an object, the largest of a flat list of numbers, or None: unknown.

    A confidence lies in 0..1: what does not (a logit, say), or has one in its list that does not, says nothing.
    """
    if isinstance(output, Mapping):
        value = output.get("confidence")
        return float(value) if _is_share(value) else None  # type: ignore[arg-type]
    if isinstance(output, list | tuple) and output and all(map(_is_share, output)):
        return float(max(output))
    return None


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
