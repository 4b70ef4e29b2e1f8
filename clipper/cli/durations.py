"""Durations as people write and read them: ``20ms``, ``1.5 s``. Everything else counts microseconds."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

from clipper.errors import InvalidArgumentError

_UNITS_US: Final = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "m": 60_000_000}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zµ]*)\s*")


def parse_duration_us(text: str, option: str) -> int:
    """Return a duration in microseconds; its unit must be written.

    Raises
    ------
    InvalidArgumentError
        It is no number with a unit, or not a whole number of microseconds.
    """
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _UNITS_US:
        hint = f"did you mean {text.strip()}ms or {text.strip()}us?" if match and not match[2] else ""
        raise InvalidArgumentError(
            f"{option}={text!r} is no duration: expected a number with its unit, us, ms, s or min", hint=hint
        )
    duration_us = Fraction(match[1]) * _UNITS_US[match[2]]  # exact: as a float 1.001 ms is no whole number
    if duration_us.denominator != 1:
        raise InvalidArgumentError(f"{option}={text!r} is not a whole number of microseconds")
    return int(duration_us)


def format_us(duration_us: float | None) -> str:
    """Return a duration with three significant digits: ``740 us``, ``1.30 ms``, ``2.50 s``; ``-`` for None."""
    if duration_us is None or math.isnan(duration_us):
        return "-"
    if math.isinf(duration_us):
        return "over 10 s"
    for size_us, unit in ((1_000_000, "s"), (1_000, "ms")):
        if duration_us >= size_us:
            value = duration_us / size_us
            return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
    return f"{duration_us:.0f} us"


def format_slo(duration_us: int) -> str:
    """Return an exact duration without spare zeros: ``20 ms``, ``1500 us``."""
    for size_us, unit in ((1_000_000, "s"), (1_000, "ms")):
        if duration_us % size_us == 0:
            return f"{duration_us // size_us} {unit}"
    return f"{duration_us} us"


def format_age(age_s: float) -> str:
    """Return a long time roughly: ``42 s``, ``3 min``, ``5 h``, ``12 d``."""
    for size_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if age_s >= 2 * size_s:
            return f"{age_s / size_s:.0f} {unit}"
    return f"{age_s:.0f} s"
