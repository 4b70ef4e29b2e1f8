"""Moments as people write them: ``2026-11-15``, ``2026-11-15T12:00``, or how long ago: ``7d``, ``36h``."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from clipper.errors import InvalidArgumentError

_AGO: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)\s*")
_UNITS_S: Final = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse_moment_us(text: str, option: str, now_us: int) -> int:
    """Return a moment as microseconds since 1970; a date and time without a zone are this machine's.

    Raises
    ------
    InvalidArgumentError
        It is neither a date, nor a date and time, nor a number with a unit.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_us - int(float(ago[1]) * _UNITS_S[ago[2]] * 1_000_000)
    try:
        moment = datetime.fromisoformat(text.strip()).astimezone()
        return int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        raise InvalidArgumentError(
            f"{option}={text!r} is no moment",
            hint="a date (2026-11-15), a date and time (2026-11-15T12:00), or how long ago (7d, 36h, 90min)",
        ) from None
