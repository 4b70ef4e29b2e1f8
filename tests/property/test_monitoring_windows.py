"""Windows and distances of the monitoring, against plain twins."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clipper.monitoring.distances import (
    kolmogorov_smirnov,
    ks_by_chance,
    population_stability_index,
    psi_by_chance,
)
from clipper.monitoring.loss_window import MILLION, LossWindow, wilson_interval

LOSSES = st.floats(0, 1)
NUMBERS = st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=40)
COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1000), min_size=1)


@given(size=st.integers(1, 20), losses=st.lists(LOSSES, max_size=60), count=st.integers(0, 30))
def test_window_has_exactly_the_latest_losses(size: int, losses: list[float], count: int) -> None:
    window = LossWindow(size)
    for loss in losses:
        window.add(loss)
    rounded = [round(loss * MILLION) for loss in losses][-size:]
    assert window.to_state() == rounded and len(window) == len(rounded)
    assert window.mean == (sum(rounded) / MILLION / len(rounded) if rounded else None)
    assert window.latest(count) == [value / MILLION for value in rounded][max(0, len(rounded) - count) :]


@given(size=st.integers(1, 20), smaller=st.integers(1, 20), losses=st.lists(LOSSES, max_size=60))
def test_window_that_is_read_again_goes_on_as_if_it_had_not_been_written(
    size: int, smaller: int, losses: list[float]
) -> None:
    window = LossWindow(size)
    for loss in losses:
        window.add(loss)
    again = LossWindow.from_state(smaller, window.to_state())
    window.add(0.25)
    again.add(0.25)
    kept = min(size, smaller)
    assert again.to_state()[-kept:] == window.to_state()[-kept:]
    assert again.mean == pytest.approx(sum(again.to_state()) / MILLION / len(again))


@given(mean=LOSSES, count=st.integers(0, 10**9))
def test_interval_holds_the_mean_and_closes_in_as_more_is_seen(mean: float, count: int) -> None:
    low, high = wilson_interval(mean, count)
    assert 0 <= low <= high <= 1
    if count:
        assert low <= mean + 1e-9 and mean - 1e-9 <= high
        closer = wilson_interval(mean, count * 4)
        assert closer[1] - closer[0] < high - low
    else:
        assert (low, high) == (0, 1)


def share_up_to(point: float, sample: list[float]) -> float:
    return sum(value <= point for value in sample) / len(sample)


@given(reference=NUMBERS, current=NUMBERS)
def test_ks_is_the_largest_difference_of_shares_up_to_any_number(reference: list[float], current: list[float]) -> None:
    points = sorted({*reference, *current})
    expected = max(abs(share_up_to(point, reference) - share_up_to(point, current)) for point in points)
    assert kolmogorov_smirnov(reference, current) == pytest.approx(expected, abs=1e-12)


@given(reference=NUMBERS, current=NUMBERS)
def test_ks_does_not_depend_on_order_scale_or_which_comes_first(reference: list[float], current: list[float]) -> None:
    distance = kolmogorov_smirnov(reference, current)
    assert 0 <= distance <= 1
    assert kolmogorov_smirnov(current, reference) == pytest.approx(distance, abs=1e-12)
    assert kolmogorov_smirnov(reference[::-1], sorted(current)) == distance
    assert kolmogorov_smirnov(list(map(math.atan, reference)), list(map(math.atan, current))) <= distance + 1e-12
    assert kolmogorov_smirnov(reference, reference) == 0


@given(reference=COUNTS, current=COUNTS)
def test_psi_is_symmetric_and_never_negative(reference: dict[str, int], current: dict[str, int]) -> None:
    distance = population_stability_index(reference, current)
    assert distance >= 0 and math.isfinite(distance)
    assert population_stability_index(current, reference) == pytest.approx(distance)
    assert population_stability_index(reference, reference) == 0


@given(counts=st.dictionaries(st.sampled_from("abcd"), st.integers(50, 1000), min_size=2), moved=st.integers(1, 40))
def test_psi_grows_with_every_output_that_moves_to_another_label(counts: dict[str, int], moved: int) -> None:
    first, second = sorted(counts, key=counts.__getitem__)[:2]
    near = Counter(counts)
    near.update({first: -moved, second: moved})
    far = Counter(near)
    far.update({first: -5, second: 5})
    assert 0 < population_stability_index(counts, near) < population_stability_index(counts, far)


@given(labels=st.integers(2, 60), size=st.sampled_from([100, 500, 10_000]))
def test_psi_by_chance_is_that_of_chi_squared(labels: int, size: int) -> None:
    exact = stats.chi2.isf(1e-4, labels - 1) * 2 / size
    assert 0.99 * exact < psi_by_chance(labels, size, size) < 1.08 * exact
    assert psi_by_chance(1, size, size) == 0


@given(size=st.sampled_from([100, 500, 10_000]), other=st.sampled_from([100, 500]))
def test_ks_by_chance_is_not_below_what_scipy_says(size: int, other: int) -> None:
    effective = size * other / (size + other)
    assert ks_by_chance(size, other) == pytest.approx(stats.kstwobign.isf(1e-4) / math.sqrt(effective), rel=1e-6)
