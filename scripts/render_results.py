#!/usr/bin/env python3
"""Put a rendered table of results between the markers of README.md.

Usage: ``scripts/render_results.py TABLE.md`` where TABLE.md is what ``bench`` rendered from its JSON, date included.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def insert(document: str, table: str) -> str:
    """Return `document` with everything between the markers replaced by `table`."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if len(pattern.findall(document)) != 1:
        raise ValueError(f"expected exactly one pair of {BEGIN} and {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n{table.strip()}\n{END}", document)


if __name__ == "__main__":
    readme = Path(__file__).resolve().parents[1] / "README.md"
    readme.write_text(insert(readme.read_text(), Path(sys.argv[1]).read_text()))
