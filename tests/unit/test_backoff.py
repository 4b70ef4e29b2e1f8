"""Backoff doubles up to its limit and starts again after a stable run."""

from __future__ import annotations

from clipper.backoff import Backoff


def test_backoff_doubles_from_minimum_to_maximum() -> None:
    backoff = Backoff(min_us=100, max_us=1_000, stable_us=5_000)
    delays_us = [backoff.delay_us]
    for _ in range(6):
        backoff = backoff.failed(lived_us=0)
        delays_us.append(backoff.delay_us)
    assert delays_us == [0, 100, 200, 400, 800, 1_000, 1_000]


def test_backoff_starts_again_only_after_a_stable_run() -> None:
    backoff = Backoff(100, 1_000, stable_us=5_000, failures=3)
    assert backoff.failed(lived_us=4_999).failures == 4
    assert backoff.failed(lived_us=5_000).failures == 1


def test_backoff_of_a_very_long_row_stays_at_its_maximum() -> None:
    assert Backoff(100, 1_000, 0, failures=10**9).delay_us == 1_000
