"""Prometheus' own checks of metrics and rules."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

PROMTOOL: Final = ("promtool", "apt-get install -y --no-install-recommends prometheus")
"""For ``pytest.mark.optional``."""


def lint_metrics(text: str) -> str:
    """Return what ``promtool check metrics`` says of a scraped page; empty if it has no complaint."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    return f"code {done.returncode}: {done.stdout}{done.stderr}" if done.returncode else done.stdout + done.stderr


def failure(*arguments: str, cwd: Path) -> str:
    """Return what ``promtool`` with these arguments says if it fails; empty if it succeeds."""
    done = subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
    return f"{done.stdout}{done.stderr}" if done.returncode else ""
