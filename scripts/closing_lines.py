#!/usr/bin/env python3
"""Print how a CI run ended: what was left out and why, then one line of counts in pytest's form.

Fails if the parts of the suite have not run as many tests as there are: then a file is in no part of it, or in two.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COUNTED = ("failed", "passed", "skipped", "xfailed", "error")


def closing_lines(reports: list[dict[str, Any]], duration_s: float) -> list[str]:
    """Word the reports that ``pytest --report-to`` wrote, one for each part of the suite."""
    left_out = [line for report in reports for line in report["left_out"]]
    lines = ["Left out:", *(f"  {line}" for line in left_out)] if left_out else []
    totals = {name: sum(report[name] for report in reports) for name in COUNTED}
    counts = ", ".join(f"{total} {name}" for name, total in totals.items() if total)
    return [*(lines or ["Nothing was left out."]), f"=== {counts} in {duration_s:.2f}s ==="]


def difference(reports: list[dict[str, Any]], collected: str, without: Sequence[str]) -> str:
    """Say in what the number of tests that ran differs from that of the tests collected, less the files `without`."""
    names = [line for line in collected.splitlines() if "::" in line]
    expected = sum(name.partition("::")[0] not in without for name in names)
    ran = sum(report[name] for report in reports for name in COUNTED)
    return (
        ""
        if ran == expected
        else f"{ran} tests ran and {expected} were collected: see the list of files in .ci/jobs.mk"
    )


def main() -> str:
    """Print the lines; return what is wrong, or ""."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--since", type=int, metavar="TIME", required=True, help="when the run began, in s since 1970")
    parser.add_argument("--collected", type=Path, required=True, help="what `pytest --collect-only -q` printed")
    parser.add_argument(
        "--without", action="append", default=[], metavar="FILE", help="a file of tests that is no part"
    )
    parser.add_argument("reports", type=Path, nargs="+")
    options = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in options.reports]
    print("\n".join(closing_lines(reports, time.time() - options.since)))
    return difference(reports, options.collected.read_text(), options.without)


if __name__ == "__main__":
    sys.exit(main() or 0)
