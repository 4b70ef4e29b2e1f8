#!/usr/bin/env python3
"""Print how a CI run ended: what was left out and why, then one line of counts in pytest's form."""

from __future__ import annotations

import json
import sys
from pathlib import Path

COUNTED = ("failed", "passed", "skipped", "xfailed", "error")


def closing_lines(report: dict[str, int | list[str]], duration_s: int) -> list[str]:
    """Word the report that ``pytest --report-to`` wrote."""
    left_out = report["left_out"]
    lines = ["Left out:", *(f"  {line}" for line in left_out)] if isinstance(left_out, list) and left_out else []
    counts = ", ".join(f"{report[name]} {name}" for name in COUNTED if report[name])
    return [*(lines or ["Nothing was left out."]), f"=== {counts} in {duration_s:.2f}s ==="]


if __name__ == "__main__":
    print("\n".join(closing_lines(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]))))
