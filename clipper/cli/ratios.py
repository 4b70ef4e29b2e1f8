"""Parts of a whole as people write them: ``1%``, ``0.01``."""

from __future__ import annotations

import math

from clipper.errors import InvalidArgumentError


def parse_ratio(text: str, option: str) -> float:
    """Return a ratio; 200% is 2.

    Raises
    ------
    InvalidArgumentError
        It is no number, with or without a percent sign, or negative.
    """
    is_percent = text.strip().endswith("%")
    try:
        value = float(text.strip().removesuffix("%")) / (100 if is_percent else 1)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise InvalidArgumentError(f"{option}={text!r} is no ratio: expected such as 1% or 0.01")
    if value >= 1 and not is_percent:  # who writes 5 means 5%, and never 500%
        raise InvalidArgumentError(
            f"{option}={text!r} is not clear: expected such as 1% or 0.01", hint=f"did you mean {text.strip()}%?"
        )
    return value
