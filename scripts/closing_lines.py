#!/usr/bin/env python3
"""Print how a CI run ended: what was left out and why, then one line of counts in pytest's form."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COUNTED = ("failed", "passed", "skipped", "xfailed", "error")


def closing_lines(reports: list[dict[str, Any]], duration_s: int) -> list[str]:
    """Word the reports that ``pytest --report-to`` wrote, one for each part of the suite."""
    left_out = [line for report in reports for line in report["left_out"]]
    lines = ["Left out:", *(f"  {line}" for line in left_out)] if left_out else []
    totals = {name: sum(report[name] for report in reports) for name in COUNTED}
    counts = ", ".join(f"{total} {name}" for name, total in totals.items() if total)
    return [*(lines or ["Nothing was left out."]), f"=== {counts} in {duration_s:.2f}s ==="]


if __name__ == "__main__":
    documents = [json.loads(Path(name).read_text()) for name in sys.argv[2:]]
    print("\n".join(closing_lines(documents, int(sys.argv[1]))))
