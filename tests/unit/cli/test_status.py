"""What ``clipper status`` finds to be wrong."""

from __future__ import annotations

from typing import Any

from clipper.cli.models import state_of
from clipper.cli.status import _device_row, problems_of


def status(**version: Any) -> dict[str, Any]:
    record = {"version": "1", "is_quarantined": False, "is_deployed": True, "ready_replicas": 1, "replicas": 1,
              "failures": 0, "last_failure": "", **version}  # fmt: skip
    return {
        "revision": 3,
        "workers": [{"worker": 0, "pid": 1, "applied_revision": 3}],
        "models": [{"name": "svm", "versions": [record]}],
    }


def test_instance_in_order_has_no_problem() -> None:
    assert problems_of(status()) == []


def test_instance_without_a_frontend_has_one() -> None:
    (problem,) = problems_of({**status(), "workers": []})
    assert "clipper logs frontend" in problem


def test_worker_that_lags_behind_is_one() -> None:
    (problem,) = problems_of({**status(), "workers": [{"worker": 0, "pid": 1, "applied_revision": 2}]})
    assert "revision 2" in problem and "has 3" in problem


def test_quarantine_is_one_and_says_why_and_how_to_try_again() -> None:
    (problem,) = problems_of(
        status(is_quarantined=True, ready_replicas=0, replicas=2, failures=5, last_failure="exited with code 4")
    )
    assert "after 5 failures in a row: exited with code 4" in problem
    assert "clipper scale svm 2 --version 1" in problem


def test_missing_replica_is_one() -> None:
    (problem,) = problems_of(status(ready_replicas=0))
    assert "svm:1 has 0 of 1 replicas ready, they are being started" in problem


def test_version_that_is_being_deployed_is_none() -> None:
    assert problems_of(status(ready_replicas=0, is_deployed=False)) == []


def test_replica_that_waits_for_a_device_is_one_and_says_who_has_it() -> None:
    waiting = "1 replica waits for a device: GPU-a is held by net:1:0"
    (problem,) = problems_of(status(ready_replicas=0, waiting=waiting, last_failure="an old one"))
    assert problem == f"svm:1 has 0 of 1 replicas ready: {waiting}"
    version = {"is_quarantined": False, "is_deployed": True, "ready_replicas": 0, "replicas": 1, "failures": 0}
    assert state_of({**version, "waiting": waiting})[0] == "1 not ready, waits for a device"
    assert state_of({**version, "waiting": waiting, "is_deployed": False})[0] == "being deployed, waits for a device"


def test_device_is_shown_with_what_is_free_and_who_has_the_rest() -> None:
    shared = {"device": "GPU-a", "name": "", "free": 0.25, "replicas": {"b:1:0": 0.5, "a:1:0": 0.25}}
    assert _device_row(shared) == ("GPU-a", "-", "0.25", "a:1:0 (0.25), b:1:0 (0.5)")
    whole = {"device": "GPU-b", "name": "H100", "free": 0.0, "replicas": {"c:1:0": 1.0}}
    assert _device_row(whole) == ("GPU-b", "H100", "0", "c:1:0")
    assert _device_row({**whole, "free": 1.0, "replicas": {}})[2:] == ("1", "-")
