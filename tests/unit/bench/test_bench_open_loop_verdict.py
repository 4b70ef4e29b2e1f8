"""What an open-loop run is taken to show."""

from __future__ import annotations

from typing import Any

import pytest

from bench.loadgen.histogram import bucket_of
from bench.loadgen.open_loop import OpenLoopRun
from bench.open_loop import Guess, OpenLoopOptions, judge
from clipper.bench.load_run import read_client
from clipper.bench.rate_search import Verdict


def a_run(latency_ms: float = 5, lag_ms: float = 0.1, idle_ratio: float = 0.5, **failures: int) -> OpenLoopRun:
    failed = sum(failures.values())
    seen: dict[str, Any] = {
        "groups": [
            {
                "outcomes": {"answered": 1_000 - failed, **failures},
                "latency_ns": [[bucket_of(round(latency_ms * 1e6)), 1_000 - failed]],
                "other_latency_ns": [],
            }
        ],
        "lag_ns": [[bucket_of(round(lag_ms * 1e6)), 1_000]],
        "idle_ratios": [idle_ratio],
        **dict.fromkeys(("waited", "reconnects", "received_bytes", "cpu_us", "elapsed_us", "next_counter"), 1),
        "examples": {},
    }
    return read_client(seen, rate_per_s=100.0, duration_s=10.0)


def test_run_under_the_bar_holds() -> None:
    assert judge(a_run(), is_disturbed=False)[0] is Verdict.HOLDS


def test_run_over_the_bar_fails() -> None:
    assert judge(a_run(latency_ms=21), is_disturbed=False)[0] is Verdict.FAILS


def test_run_with_two_percent_failures_fails_and_names_them() -> None:
    verdict, reason = judge(a_run(wrong_answer=20), is_disturbed=False)
    assert verdict is Verdict.FAILS
    assert reason == "wrong_answer 20"


def test_slow_run_of_a_late_client_is_void() -> None:
    verdict, reason = judge(a_run(latency_ms=30, lag_ms=10), is_disturbed=False)
    assert verdict is Verdict.VOID
    assert "late" in reason


def test_slow_run_of_a_saturated_client_is_void() -> None:
    assert judge(a_run(latency_ms=30, idle_ratio=0.0), is_disturbed=False)[0] is Verdict.VOID


def test_slow_run_beside_busy_processes_is_void() -> None:
    assert judge(a_run(latency_ms=30), is_disturbed=True)[0] is Verdict.VOID


def test_good_run_holds_all_the_more_when_it_was_disturbed() -> None:
    assert judge(a_run(lag_ms=10), is_disturbed=True)[0] is Verdict.HOLDS


def test_search_begins_below_a_closed_loops_rate_with_long_strides() -> None:
    options = OpenLoopOptions(first_guess_ratio=0.5, first_step_ratio=2.0)
    search = Guess(closed_loop_per_s=1_000.0).search(options)
    assert search.next_rate() == 500.0
    search.observe(Verdict.HOLDS)
    assert search.next_rate() == 1_000.0


def test_search_of_a_later_round_begins_at_what_was_found_with_short_strides() -> None:
    options = OpenLoopOptions(known_step_ratio=1.1)
    search = Guess(closed_loop_per_s=1_000.0, found_per_s=800.0).search(options)
    assert search.next_rate() == 800.0
    search.observe(Verdict.HOLDS)
    assert search.next_rate() == pytest.approx(880.0)
