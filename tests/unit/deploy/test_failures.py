"""Rows of failures: counted once for those that die together, ended by a stable run, bounded by quarantine."""

from __future__ import annotations

from clipper.backoff import Backoff
from clipper.deploy.failures import FailureRow
from clipper.deploy.reconcile import Restraint

ROW = FailureRow(Backoff(min_us=100, max_us=1_000, stable_us=5_000), quarantine_failures=3)


def test_failure_restrains_until_the_backoff_is_over() -> None:
    row = ROW.failed(started_us=0, ready_us=None, now_us=50, cause="exited", log_tail="Traceback")
    assert row.restraint == Restraint(not_before_us=150, is_quarantined=False)
    assert (row.cause, row.log_tail) == ("exited", "Traceback")


def test_replicas_that_die_together_are_one_failure() -> None:
    row = ROW
    for index in range(5):
        row = row.failed(started_us=0, ready_us=10, now_us=1_000 + index, cause="", log_tail="")
    assert row.backoff.failures == 1


def test_failures_in_a_row_end_in_quarantine() -> None:
    row = ROW
    for attempt in range(3):
        assert not row.is_quarantined
        row = row.failed(1_000 * attempt + 1, None, 1_000 * attempt + 2, "", "")
    assert row.is_quarantined and row.restraint.is_quarantined


def test_replica_that_was_ready_for_long_ends_the_row_one_tick_sooner_does_not() -> None:
    row = ROW.failed(1, None, 2, "", "").failed(3, None, 4, "", "")
    assert row.failed(5, ready_us=10, now_us=10 + 4_999, cause="", log_tail="").backoff.failures == 3
    assert row.failed(5, ready_us=10, now_us=10 + 5_000, cause="", log_tail="").backoff.failures == 1
