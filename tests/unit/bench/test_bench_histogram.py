"""The logarithmic histogram and its percentiles."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from bench.loadgen.histogram import LogHistogram, bucket_bounds, bucket_of, quantile_of_cumulative


@given(st.integers(min_value=0, max_value=2**63))
def test_bucket_of_any_value_holds_it_within_one_percent(value: int) -> None:
    low, high = bucket_bounds(bucket_of(value))
    assert low <= value <= high
    assert high - low <= value / 100


@given(st.integers(min_value=0, max_value=2**40))
def test_bucket_of_the_next_value_never_goes_back(value: int) -> None:
    assert bucket_of(value + 1) - bucket_of(value) in (0, 1)


@given(st.lists(st.integers(min_value=0, max_value=2**40), min_size=1, max_size=200), st.integers(1, 100))
def test_percentile_is_the_sorted_value_rounded_up_to_its_bucket(values: list[int], percent: int) -> None:
    histogram = LogHistogram()
    for value in values:
        histogram.record(value)
    exact = sorted(values)[math.ceil(len(values) * percent / 100) - 1]
    assert histogram.percentile(percent) == bucket_bounds(bucket_of(exact))[1]


def test_percentile_among_missing_values_is_infinite() -> None:
    histogram = LogHistogram.from_pairs([[5, 98]])
    assert histogram.percentile(98, missing=2) == 5
    assert histogram.percentile(99, missing=2) == math.inf


@given(st.lists(st.integers(0, 10**10), min_size=1))
def test_mean_is_within_a_bucket_of_the_values_mean(values: list[int]) -> None:
    histogram = LogHistogram()
    for value in values:
        histogram.record(value)
    assert math.isclose(histogram.mean, sum(values) / len(values), rel_tol=0.01, abs_tol=1)


def test_mean_of_nothing_is_not_a_number() -> None:
    assert math.isnan(LogHistogram().mean)


def test_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(LogHistogram().percentile(99))


def test_merge_of_two_histograms_counts_both() -> None:
    merged = LogHistogram.from_pairs([[1, 2], [7, 1]])
    merged.merge(LogHistogram.from_pairs([[7, 3]]))
    assert merged.counts == {1: 2, 7: 4}
    assert merged.total == 6


def test_quantile_of_cumulative_buckets_is_interpolated() -> None:
    buckets = {1.0: 0.0, 2.0: 50.0, 4.0: 100.0, math.inf: 100.0}
    assert quantile_of_cumulative(buckets, 0.5) == 2.0
    assert quantile_of_cumulative(buckets, 0.75) == 3.0


def test_quantile_beyond_the_last_finite_bucket_is_its_bound() -> None:
    assert quantile_of_cumulative({1.0: 1.0, math.inf: 10.0}, 0.99) == 1.0
