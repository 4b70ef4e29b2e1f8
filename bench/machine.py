"""What a result was measured on, with the tools and the commit of the repository; recorded with it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from clipper.bench.machine import Host, describe_host


@dataclass(frozen=True)
class Machine(Host):
    """Machine, kernel, versions and commit."""

    wrk: str
    compiler: str
    commit: str
    has_local_changes: bool


def describe_machine() -> Machine:
    """Look at this machine now."""
    return Machine(
        **describe_host(),
        wrk=_first_line(["wrk", "--version"]),
        compiler=_first_line(["g++", "--version"]),
        commit=_first_line(["git", "rev-parse", "HEAD"]),
        has_local_changes=_first_line(["git", "status", "--porcelain", "--untracked-files=no"]) not in ("", "unknown"),
    )


def _first_line(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return "missing"
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    lines = (done.stdout or done.stderr).strip().splitlines()
    if command[0] == "git" and done.returncode != 0:
        return "unknown"  # not a checkout
    return lines[0].strip() if lines else ""
