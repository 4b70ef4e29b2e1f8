"""Recorded arrivals: a file of times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipper.errors import InvalidArgumentError

MIN_TRACE_ARRIVALS = 2
MAX_TRACE_BYTES = 1 << 30


def read_trace(file: str) -> NDArray[np.float64]:
    """Read arrival times in seconds.

    Parameters
    ----------
    file : str
        `.npy`: an array of one dimension, floats in seconds or integers in nanoseconds. Anything else is text with one
        arrival a line, its time in seconds first, more columns after a comma or blanks; lines that are empty or begin
        with `#` are left out, and so is a first line of column names. Times count from anywhere, in any order.

    Returns
    -------
    ndarray, shape (arrivals,), float64
        Sorted; the first and the last differ.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be read or holds no such times.
    """
    path = Path(file)
    try:
        if path.stat().st_size > MAX_TRACE_BYTES:
            raise InvalidArgumentError(f"the trace {file!r} is larger than {MAX_TRACE_BYTES} bytes")
        times_s = _read_array(path) if path.suffix == ".npy" else _read_text(path)
    except OSError as error:
        raise InvalidArgumentError(f"cannot read the trace {file!r}: {error.strerror}") from error
    if len(times_s) < MIN_TRACE_ARRIVALS:
        raise InvalidArgumentError(
            f"the trace {file!r} holds {len(times_s)} arrivals, expected at least {MIN_TRACE_ARRIVALS}"
        )
    if not np.all(np.isfinite(times_s)):
        raise InvalidArgumentError(f"the trace {file!r} holds times that are not finite")
    times_s = np.sort(times_s)
    if times_s[-1] <= times_s[0]:
        raise InvalidArgumentError(f"all arrivals of the trace {file!r} have the same time")
    return times_s


def _read_array(path: Path) -> NDArray[np.float64]:
    try:
        times = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InvalidArgumentError(f"the trace {str(path)!r} is not an array of numpy: {error}") from error
    if times.ndim != 1 or times.dtype.kind not in "iuf":
        raise InvalidArgumentError(
            f"the trace {str(path)!r} has the shape {times.shape} of {times.dtype}, expected one dimension of numbers"
        )
    seconds: NDArray[np.float64] = times.astype(np.float64) / (1.0 if times.dtype.kind == "f" else 1e9)
    return seconds


def _read_text(path: Path) -> NDArray[np.float64]:
    times: list[float] = []
    may_be_names = True
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.replace(",", " ").split()
            if not fields or fields[0].startswith("#"):
                continue
            try:
                times.append(float(fields[0]))
            except ValueError:
                if not may_be_names:
                    raise InvalidArgumentError(
                        f"{path}:{number}: {fields[0][:40]!r} is no time, expected seconds"
                    ) from None
            may_be_names = False
    return np.array(times, dtype=np.float64)
