"""The end of a start: what was registered in an earlier life is served again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from clipper.errors import StartError

_POLL_INTERVAL_S: Final = 0.02


def wait_for_snapshot(status: Callable[[], Mapping[str, Any]], worker_count: int, limit_us: int) -> None:
    """Return when every worker serves the applications that the run directory holds; at once if there are none.

    Their replicas start meanwhile: `/readyz` tells when they are there.

    Raises
    ------
    StartError
        A worker does not within ``limit_us``.
    """
    deadline_s = time.monotonic() + limit_us / 1e6
    while not _is_applied(status(), worker_count):
        if time.monotonic() > deadline_s:
            raise StartError("the frontend does not serve the applications of its run directory", hint="see its log")
        time.sleep(_POLL_INTERVAL_S)


def _is_applied(status: Mapping[str, Any], worker_count: int) -> bool:
    workers = [worker["applied_revision"] >= status["revision"] for worker in status["workers"]]
    return not status["applications"] or (len(workers) == worker_count and all(workers))
