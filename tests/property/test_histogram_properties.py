"""The compiled histogram, and the plain reading of its export, against a sorted list of the same values."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper._core.histogram import BUCKETS, MAX_VALUE, SUB_BUCKETS, Histogram
from clipper.errors import InvalidArgumentError
from clipper.metrics.log_buckets import HistogramSnapshot, highest_of, merge

VALUES = st.lists(
    st.one_of(st.integers(0, 200), st.integers(0, 10**6), st.integers(0, MAX_VALUE), st.integers(MAX_VALUE, 2**64 - 1)),
    max_size=60,
)
RATIOS = st.one_of(st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]), st.floats(0, 1))


def histogram_of(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def exact_percentile(values: list[int], ratio: float) -> int:
    """The twin: sort, and take the value of the rank."""
    return sorted(values)[max(1, math.ceil(ratio * len(values))) - 1]


@given(VALUES, RATIOS)
def test_percentile_of_any_values_is_at_most_one_bucket_above_the_exact_one(values: list[int], ratio: float) -> None:
    histogram = histogram_of(values)
    clamped = [min(value, MAX_VALUE) for value in values]
    assert (histogram.count, histogram.sum, histogram.max) == (len(values), sum(clamped), max(clamped, default=0))
    snapshot = HistogramSnapshot.from_export(histogram.export())
    assert snapshot.percentile(ratio) == histogram.percentile(ratio)
    if values:
        exact = exact_percentile(clamped, ratio)
        assert exact <= histogram.percentile(ratio) <= exact * (1 + Fraction(1, SUB_BUCKETS))
    else:
        assert histogram.percentile(ratio) == 0


@given(VALUES, VALUES)
def test_merge_of_two_histograms_equals_one_that_recorded_both(left: list[int], right: list[int]) -> None:
    merged = histogram_of(left)
    other = histogram_of(right)
    merged.merge(other)
    both = histogram_of(left + right)
    assert merged.export() == both.export()
    snapshots = [HistogramSnapshot.from_export(histogram_of(values).export()) for values in (left, right)]
    assert merge(snapshots) == HistogramSnapshot.from_export(both.export())


@given(VALUES, st.lists(st.integers(0, MAX_VALUE), max_size=8).map(sorted))
def test_cumulative_counts_never_exceed_the_truth_and_lag_by_less_than_a_bucket(
    values: list[int], bounds: list[int]
) -> None:
    clamped = [min(value, MAX_VALUE) for value in values]
    counts = HistogramSnapshot.from_export(histogram_of(values).export()).cumulative(bounds)
    for bound, count in zip(bounds, counts, strict=True):
        assert count <= sum(value <= bound for value in clamped)
        assert count >= sum(value * (1 + Fraction(1, SUB_BUCKETS)) <= bound for value in clamped)


@given(st.integers(0, MAX_VALUE), st.integers(0, 1000))
def test_record_with_times_equals_recording_that_often(value: int, times: int) -> None:
    histogram = Histogram()
    histogram.record(value, times)
    assert histogram.export() == histogram_of([value] * times).export()


def test_bucket_bounds_in_python_equal_those_of_the_core() -> None:
    for bucket in range(BUCKETS):
        at, after = Histogram(), Histogram()
        at.record(highest_of(bucket))
        after.record(highest_of(bucket) + 1)
        assert at.export()[3] == [(bucket, 1)]
        assert after.export()[3] == [(min(bucket + 1, BUCKETS - 1), 1)]


def test_cleared_histogram_is_as_new() -> None:
    histogram = histogram_of([1, 2, 3])
    histogram.clear()
    assert histogram.export() == Histogram().export() == (0, 0, 0, [])


@pytest.mark.parametrize("ratio", [-0.1, 1.1, math.nan, math.inf])
def test_percentile_outside_zero_to_one_is_refused(ratio: float) -> None:
    with pytest.raises(InvalidArgumentError):
        Histogram().percentile(ratio)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_recording_a_value_that_does_not_fit_is_refused(value: int) -> None:
    with pytest.raises(OverflowError):
        Histogram().record(value)
