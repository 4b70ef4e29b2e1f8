"""Taking a `Reading` of a running Clipper."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from clipper.cli.activity import Reading
from clipper.cli.server import Server
from clipper.metrics.scrape import Scrape


def read(server: Server, status: Mapping[str, Any] | None = None) -> Reading:
    """Ask both ports."""
    found = server.status() if status is None else status
    text = server.metrics(found)
    return Reading(time.monotonic_ns() // 1000, Scrape(text), found)
