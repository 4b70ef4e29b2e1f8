"""Prometheus' own checks of metrics and rules."""

from __future__ import annotations

import subprocess
from typing import Final

PROMTOOL: Final = ("promtool", "apt-get install -y --no-install-recommends prometheus")
"""For ``pytest.mark.optional``."""


def complaints(what: str, text: str, *arguments: str) -> str:
    """Return what ``promtool check <what>`` says of a text; empty if it has nothing to say."""
    done = subprocess.run(
        ["promtool", "check", what, *arguments], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    said = done.stdout + done.stderr
    return said if done.returncode != 0 or what == "metrics" else ""
