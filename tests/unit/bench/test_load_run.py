"""What is read out of a run, what makes it void, how runs merge, and the text for HdrHistogram's plotters."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clipper.bench.hdr_text import percentile_text
from clipper.bench.histogram import LogHistogram, bucket_of
from clipper.bench.load_run import MAX_LAG_P99_US, MIN_IDLE_RATIO, OUTCOMES, LoadRun, read_client


def a_run(
    latencies_us: list[int],
    lag_us: float = 10,
    idle_ratios: tuple[float, ...] = (0.5,),
    limit_us: float = MAX_LAG_P99_US,
    **failures: int,
) -> LoadRun:
    latency = LogHistogram()
    for value in latencies_us:
        latency.record(value * 1000)
    outcomes = {"answered": len(latencies_us), **failures}
    seen: dict[str, Any] = {
        "groups": [{"outcomes": outcomes, "latency_ns": latency.to_pairs(), "other_latency_ns": []}],
        "lag_ns": [[bucket_of(round(lag_us * 1e3)), 100]],
        "idle_ratios": list(idle_ratios),
        "examples": {},
        **dict.fromkeys(("waited", "reconnects", "received_bytes", "cpu_us", "elapsed_us", "next_counter"), 7),
    }
    return read_client(seen, 100.0, 2.0, max_lag_p99_us=limit_us)


def test_misses_are_late_answers_and_everything_that_is_no_right_answer() -> None:
    run = a_run([1_000] * 90 + [30_000] * 5, default=2, rejected=1, lost=2)
    assert run.scheduled == 100
    assert run.misses(20_000) == 10
    assert run.misses(40_000) == 5
    assert run.misses(100) == 100
    assert run.goodput_per_s(20_000) == 45
    assert run.failures == {"default": 2, "rejected": 1, "lost": 2}
    assert run.latency_us(90) < 1_010
    assert run.latency_us(96) == math.inf


def test_run_is_void_one_step_beyond_each_limit() -> None:
    assert a_run([1], lag_us=MAX_LAG_P99_US * 0.99).void_reason is None
    assert "2.0 ms late" in str(a_run([1], lag_us=MAX_LAG_P99_US * 1.01).void_reason)
    assert a_run([1], lag_us=9_000, limit_us=10_000).void_reason is None
    assert "late" in str(a_run([1], lag_us=300, limit_us=200).void_reason)
    assert a_run([1], idle_ratios=(0.9, MIN_IDLE_RATIO)).void_reason is None
    assert a_run([1], idle_ratios=(0.9, MIN_IDLE_RATIO / 2)).void_reason == "the client was saturated"
    assert a_run([]).void_reason == "nothing was sent"


runs = st.builds(
    lambda latencies, lost, lag, groups: replace(
        a_run(latencies, lag, lost=lost), groups={name: a_run(latencies, lost=lost) for name in groups}
    ),
    st.lists(st.integers(0, 10**7), min_size=1, max_size=20),
    st.integers(0, 5),
    st.floats(0, 3_000),
    st.sets(st.sampled_from(["", "a", "b"]), min_size=1),
)


@given(st.lists(st.integers(0, 10**7), max_size=20), st.lists(st.integers(0, 10**7), max_size=20), st.integers(0, 9))
def test_merged_runs_hold_what_one_run_of_both_would(first: list[int], second: list[int], lost: int) -> None:
    merged = a_run(first, lost=lost).merge(a_run(second))
    both = a_run(first + second, lost=lost)
    assert merged.latency == both.latency and merged.outcomes == both.outcomes
    assert merged.groups[""].latency == both.latency
    assert merged.duration_s == 4 and merged.rate_per_s == 100 and merged.waited == 14
    assert set(merged.outcomes) == set(OUTCOMES)


@given(runs, runs)
def test_merged_run_is_void_if_one_of_them_is(first: LoadRun, second: LoadRun) -> None:
    merged = first.merge(second)
    assert (merged.void_reason is None) == (first.void_reason is None and second.void_reason is None)
    assert set(merged.groups) == set(first.groups) | set(second.groups)
    assert merged.lag.total == 200


@given(st.lists(st.integers(0, 10**7), max_size=20), st.integers(0, 9))
def test_run_survives_its_json(latencies: list[int], wrong: int) -> None:
    run = a_run(latencies, wrong_answer=wrong)
    assert LoadRun.from_json(json.loads(json.dumps(run.to_json()))) == run


def parsed(text: str) -> list[tuple[float, float, int]]:
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [(float(value), float(ratio), int(count)) for value, ratio, count, *_ in lines[1:]]


@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=300))
def test_percentile_text_climbs_from_zero_to_all_of_the_values(values: list[int]) -> None:
    histogram = LogHistogram()
    for value in values:
        histogram.record(value)
    rows = parsed(percentile_text(histogram, unit=1))
    assert rows == sorted(rows)
    assert rows[0][1] == 0 and rows[-1][1:] == (1.0, len(values))
    for end, ratio, count in rows[:-1]:
        assert count >= ratio * len(values) - 1e-6
        assert histogram.count_up_to(round(end)) == count


def test_percentile_text_is_in_the_form_of_hdr_histogram() -> None:
    """As HdrHistogram's outputPercentileDistribution writes two values of 1 and 100 (in units of its own)."""
    histogram = LogHistogram.from_pairs([[1, 1], [100, 1]])
    assert percentile_text(histogram, unit=1, ticks=1).splitlines() == [
        "       Value     Percentile TotalCount 1/(1-Percentile)",
        "",
        "       1.000 0.000000000000          1           1.00",
        "       1.000 0.500000000000          1           2.00",
        "     100.000 0.750000000000          2           4.00",
        "     100.000 1.000000000000          2",
        "#[Mean    =       50.500, StdDeviation   =       49.500]",
        "#[Max     =      100.000, Total count    =            2]",
        "#[Buckets =           58, SubBuckets     =          128]",
    ]


def test_percentile_text_of_nothing_has_no_rows() -> None:
    assert parsed(percentile_text(LogHistogram())) == []
    assert "Total count    =            0" in percentile_text(LogHistogram())


def test_lag_of_nothing_is_nothing() -> None:
    assert replace(a_run([1]), lag=LogHistogram()).lag_p99_us == 0
