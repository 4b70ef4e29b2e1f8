"""When a start is over."""

from __future__ import annotations

from typing import Any

import pytest

from clipper.client.startup import wait_for_snapshot
from clipper.errors import StartError


def status(*applied: int, applications: int = 1) -> dict[str, Any]:
    workers = [{"worker": index, "applied_revision": revision} for index, revision in enumerate(applied)]
    return {"revision": 7, "workers": workers, "applications": [{}] * applications}


def test_start_waits_until_every_worker_has_applied_the_revision() -> None:
    answers = [status(), status(6), status(7)]
    wait_for_snapshot(lambda: answers.pop(0), worker_count=1, limit_us=10_000_000)
    assert answers == []


def test_start_without_applications_waits_for_nothing() -> None:
    wait_for_snapshot(lambda: status(applications=0), worker_count=1, limit_us=0)


def test_start_that_no_worker_follows_is_an_error() -> None:
    with pytest.raises(StartError, match="does not serve the applications"):
        wait_for_snapshot(lambda: status(7), worker_count=2, limit_us=0)
