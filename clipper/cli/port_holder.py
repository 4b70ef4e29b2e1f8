"""Who listens on a port that is taken, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clipper.bench.listeners import listeners_on

_MOST_SHOWN_CHARACTERS: Final = 80


def describe_holder(port: int) -> str:
    """Return who listens on ``port`` and what to do about it; "" if that cannot be told."""
    for pid in listeners_on(port):
        words = _command_of(pid)
        if "clipper.supervisor" in words and "--run-dir" in words:
            run_dir = words[words.index("--run-dir") + 1]
            return f"another Clipper listens there: `clipper stop --run-dir {run_dir}` stops it"
        command = " ".join(words)
        shown = command if len(command) <= _MOST_SHOWN_CHARACTERS else f"{command[:_MOST_SHOWN_CHARACTERS]}..."
        return f"process {pid} listens there ({shown})"
    return ""


def _command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []
