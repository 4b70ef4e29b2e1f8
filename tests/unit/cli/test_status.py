"""What ``clipper status`` finds to be wrong."""

from __future__ import annotations

from typing import Any

from clipper.cli.status import problems_of


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
